//! The twinseal command and the twinseald daemon
#![forbid(unsafe_code)]

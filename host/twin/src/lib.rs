//! Sensor streams with masks, missing-value prediction, the patient model
#![forbid(unsafe_code)]

//! Files under a policy.

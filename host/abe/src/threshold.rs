//! A threshold authority: any t of n participants issue keys together, and t - 1 of them cannot.

/// Most participants of a threshold authority.
pub const MAX_PARTICIPANTS: u8 = 64;

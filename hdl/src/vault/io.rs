//! What the vault's processor sees and does outside its memory: the codes of its input and output instructions.
//!
//! Input, `11 0000 p000 0wwr rr` from bit 15 down, takes a [`port`]; `p` pops the byte of the request. Output, `11 1ccc 0aaa
//! aww w00`, does an [`action`]; `c` is the engine's command. Both wait until every condition of `w`, see [`wait`], is met.

/// What an input instruction takes, bits 1:0.
pub mod port {
    /// `permit_enrol` in bit 15, the payload's bytes in bits 12:3, the request in bits 2:0.
    pub const REQUEST: u16 = 0;
    /// With [`super::POP`] a byte of the payload, without it a byte of the engine's digest, if that may be seen.
    pub const BYTE: u16 = 1;
    /// Count of the pair's first ring.
    pub const FIRST: u16 = 2;
    /// Count of its second.
    pub const SECOND: u16 = 3;
}

/// Conditions to wait for, bits 4:2.
pub mod wait {
    /// There is a byte of the payload.
    pub const PAYLOAD: u16 = 1 << 2;
    /// The engine is ready.
    pub const ENGINE: u16 = 1 << 3;
    /// The last reply byte has been taken.
    pub const REPLY: u16 = 1 << 4;
}

/// An input takes the byte of the payload from the queue.
pub const POP: u16 = 1 << 9;
/// Place of the action in an output instruction.
pub const ACTION_SHIFT: u32 = 5;
/// Place of the engine's command in an output instruction.
pub const COMMAND_SHIFT: u32 = 10;

/// What an output instruction does.
pub mod action {
    /// Nothing, when the conditions are met.
    pub const NONE: u16 = 0;
    /// Gives the engine a command.
    pub const COMMAND: u16 = 1;
    /// Gives the engine A's low byte.
    pub const DATA: u16 = 2;
    /// Gives the engine the next byte of the root, if a key is open, and turns the root in any case.
    pub const ROOT: u16 = 3;
    /// Takes the digest's byte at X for the root.
    pub const ROOT_LOAD: u16 = 4;
    /// Moves a zero into the root.
    pub const ROOT_FORGET: u16 = 5;
    /// Clears the counts, and lets the rings of pair X run.
    pub const RINGS_RUN: u16 = 6;
    /// Stops the rings.
    pub const RINGS_STOP: u16 = 7;
    /// Gives the host A's low byte.
    pub const REPLY: u16 = 8;
    /// Announces the reply: status in A's bits 3:0, length in bits 9:4.
    pub const ANSWER: u16 = 9;
    /// The request is done.
    pub const DONE: u16 = 10;
}

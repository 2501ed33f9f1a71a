//! What a consortium agrees on before the first block: who orders, who is a member with how much money, and the rules
//! of a block. Its hash is the ledger's name.

use serde::{Deserialize, Serialize};

use crate::digest::hash;
use crate::{ChainId, Error, PublicKey, codec};

/// Most members of one ledger.
pub const MAX_MEMBERS: usize = 4096;
/// Longest name of a ledger or a member in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Most transactions a rule may allow in a block.
pub const MAX_BLOCK_TRANSACTIONS: u32 = 1024;
/// Most transaction bytes a rule may allow in a block.
pub const MAX_BLOCK_BYTES: u32 = 8 << 20;
pub(crate) const MAX_GENESIS_BYTES: usize = MAX_MEMBERS * 2200 + 4096;

/// One member and what it starts with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// For people; 1 to [`MAX_NAME_BYTES`].
    pub name: String,
    /// Checks the member's signatures and names its account.
    pub public_key: PublicKey,
    /// Money at the start, in the ledger's smallest unit.
    pub balance: u64,
}

/// How blocks are cut (Tang 2025, III.A).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Most transactions in a block; 1 to [`MAX_BLOCK_TRANSACTIONS`].
    pub block_transactions: u32,
    /// Most transaction bytes in a block; at least one transaction's, at most [`MAX_BLOCK_BYTES`].
    pub block_bytes: u32,
    /// Share of every block that low-level transactions get when they wait; 1 to 100.
    pub low_share_percent: u8,
}

impl Default for Rules {
    fn default() -> Self {
        Self { block_transactions: 256, block_bytes: 1 << 20, low_share_percent: 20 }
    }
}

/// The agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// Format; [`Genesis::VERSION`].
    pub version: u8,
    /// For people; 1 to [`MAX_NAME_BYTES`].
    pub name: String,
    /// Time of block 0, Unix milliseconds.
    pub created_ms: u64,
    /// Signs the blocks and collects the fees. To submit transactions too, it must be among the members.
    pub orderer: PublicKey,
    /// Who may submit, store and read; each key once.
    pub members: Vec<Member>,
    /// How blocks are cut.
    pub rules: Rules,
}

impl Genesis {
    /// The only format so far.
    pub const VERSION: u8 = 1;

    /// Parses canonical bytes and checks them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let genesis: Self = codec::decode("genesis", bytes, MAX_GENESIS_BYTES)?;
        genesis.check()?;
        Ok(genesis)
    }

    /// Canonical bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        codec::encode("genesis", self)
    }

    /// The ledger's name; see [`ChainId`].
    pub fn chain(&self) -> Result<ChainId, Error> {
        Ok(hash("twinseal/v1/genesis", &[&self.to_bytes()?]).into())
    }

    /// Checks every rule above, and that all money together fits 64 bits, so that no balance can overflow later.
    pub fn check(&self) -> Result<(), Error> {
        if self.version != Self::VERSION {
            return Err(Error::UnknownVersion { what: "genesis", version: self.version });
        }
        let require = |ok, reason| if ok { Ok(()) } else { Err(Error::BadGenesis { reason }) };
        let named = |name: &str| (1..=MAX_NAME_BYTES).contains(&name.len());
        require(named(&self.name) && self.members.iter().all(|m| named(&m.name)), "a name is 1 to 64 bytes")?;
        require((1..=MAX_MEMBERS).contains(&self.members.len()), "there are 1 to 4096 members")?;
        let mut accounts: Vec<_> = self.members.iter().map(|m| m.public_key.account()).collect();
        accounts.sort_unstable();
        require(accounts.windows(2).all(|pair| pair[0] != pair[1]), "a member is listed twice")?;
        let total = self.members.iter().try_fold(0u64, |sum, m| sum.checked_add(m.balance));
        require(total.is_some(), "all balances together must fit 64 bits")?;
        let Rules { block_transactions, block_bytes, low_share_percent } = self.rules;
        require(
            (1..=MAX_BLOCK_TRANSACTIONS).contains(&block_transactions),
            "a block holds 1 to 1024 transactions",
        )?;
        let bytes = crate::transaction::MAX_TRANSACTION_BYTES as u32..=MAX_BLOCK_BYTES;
        require(bytes.contains(&block_bytes), "a block holds 8 KiB to 8 MiB of transactions")?;
        require((1..=100).contains(&low_share_percent), "the low level's share is 1 to 100 percent")
    }
}

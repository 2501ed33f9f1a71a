//! A node that holds headers alone (Yi 2023): it follows the chain and checks proofs against it.

use crate::digest::ChainId;
use crate::{
    BlockHash, Error, Genesis, Header, Height, InclusionProof, PublicKey, SignedHeader, TransactionId, state,
};

/// A checked chain of headers.
#[derive(Clone, Debug)]
pub struct LightClient {
    orderer: PublicKey,
    headers: Vec<Header>,
}

impl LightClient {
    /// Starts from the agreement alone: block 0 follows from it.
    pub fn new(genesis: &Genesis) -> Result<Self, Error> {
        genesis.check()?;
        Ok(Self { orderer: genesis.orderer.clone(), headers: vec![genesis_header(genesis)?] })
    }

    /// Appends `header` if it follows the last one and the orderer signed it.
    pub fn push(&mut self, header: &SignedHeader) -> Result<(), Error> {
        header.header.check_follows(self.head())?;
        header.verify(&self.orderer)?;
        self.headers.push(header.header.clone());
        Ok(())
    }

    /// The last header.
    pub fn head(&self) -> &Header {
        // `new` puts the genesis there and nothing is ever removed.
        &self.headers[self.headers.len() - 1]
    }

    /// The header at `height`, if the client has followed so far.
    pub fn header(&self, height: Height) -> Option<&Header> {
        self.headers.get(usize::try_from(height.0).ok()?)
    }

    /// Checks that `id` took effect in the block at `height`.
    pub fn verify_inclusion(
        &self,
        height: Height,
        id: &TransactionId,
        proof: &InclusionProof,
    ) -> Result<(), Error> {
        crate::verify_inclusion(self.header(height).ok_or(Error::BadProof)?, id, proof)
    }

    /// Which ledger it follows.
    pub fn chain(&self) -> ChainId {
        self.head().chain
    }
}

/// The header of block 0.
pub(crate) fn genesis_header(genesis: &Genesis) -> Result<Header, Error> {
    let empty: [[u8; 32]; 0] = [];
    Ok(Header {
        version: Header::VERSION,
        chain: genesis.chain()?,
        height: Height(0),
        previous: BlockHash::from([0; 32]),
        timestamp_ms: genesis.created_ms,
        tree_head: crate::merkle::tree_head(&empty),
        state_digest: state::digest(&[0; 32], &state::genesis(genesis)?)?,
        transactions: 0,
        high: 0,
        failed: 0,
    })
}

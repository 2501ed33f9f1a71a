//! The daemon's API as the command line uses it: blocking, one request at a time, with limits on what comes back.

use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::http::Response;

use crate::Error;
use crate::answers::Attestation;
use crate::api::Problem;
use crate::store::MAX_OBJECT_BYTES;

/// A connection to `twinseald`.
pub struct Client {
    agent: Agent,
    url: String,
    token: String,
}

impl Client {
    /// `url` such as `http://127.0.0.1:7480`; `token` from the daemon's `api.token`.
    pub fn new(url: &str, token: &str) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(120)))
            .http_status_as_error(false)
            .build()
            .into();
        Self { agent, url: url.trim_end_matches('/').into(), token: token.trim().into() }
    }

    /// GET, the body as bytes.
    pub fn get(&self, path: &str) -> Result<Vec<u8>, Error> {
        let request = self.agent.get(self.at(path)).header("authorization", self.bearer());
        self.body(request.call())
    }

    /// POST of `body`, the answer as bytes.
    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Vec<u8>, Error> {
        let request = self
            .agent
            .post(self.at(path))
            .header("authorization", self.bearer())
            .header("content-type", content_type);
        self.body(request.send(body))
    }

    /// PUT of `body`, the answer as bytes.
    pub fn put(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Vec<u8>, Error> {
        let request = self
            .agent
            .put(self.at(path))
            .header("authorization", self.bearer())
            .header("content-type", content_type);
        self.body(request.send(body))
    }

    /// DELETE, the answer as bytes.
    pub fn delete(&self, path: &str) -> Result<Vec<u8>, Error> {
        let request = self.agent.delete(self.at(path)).header("authorization", self.bearer());
        self.body(request.call())
    }

    /// The answer of the daemon's vault to `challenge`, and to no other.
    pub fn attest(&self, challenge: &[u8; 32]) -> Result<Attestation, Error> {
        let challenge = hex::encode(challenge);
        let asked = serde_json::json!({ "challenge": challenge }).to_string();
        let answer: Attestation =
            self.json(&self.post("/v1/board/attest", "application/json", asked.as_bytes())?)?;
        if !answer.is_well_formed() {
            return Err(self.failed(
                "answered an attestation that is none, as no daemon of this project does; look at its host"
                    .into(),
            ));
        }
        if answer.challenge != challenge {
            return Err(Error::WrongChallenge { url: self.url.clone() });
        }
        Ok(answer)
    }

    /// An answer that must be JSON of type `T`.
    pub fn json<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(bytes).map_err(|e| {
            self.failed(format!(
                "answered what this version does not understand ({e}); use the same version on both sides"
            ))
        })
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn failed(&self, reason: String) -> Error {
        Error::Daemon { url: self.url.clone(), reason }
    }

    fn body(&self, result: Result<Response<ureq::Body>, ureq::Error>) -> Result<Vec<u8>, Error> {
        let mut response = result.map_err(|e| {
            self.failed(format!(
                "could not be reached ({e}); start it with `twinseald`, or name another with --url"
            ))
        })?;
        let limit = MAX_OBJECT_BYTES as u64 + 1024;
        let bytes = response
            .body_mut()
            .with_config()
            .limit(limit)
            .read_to_vec()
            .map_err(|e| self.failed(format!("broke off its answer ({e}); try again")))?;
        if response.status().is_success() {
            return Ok(bytes);
        }
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Err(Error::Refused { code: problem.code, message: problem.message }),
            Err(_) => Err(self.failed(format!("answered HTTP {}; see its log", response.status().as_u16()))),
        }
    }
}

//! From a file to the sections of a record: a sensor export becomes `personal` and `stream/...`, anything else one
//! `files/upload` section. Each section gets its default policy here.

use serde_json::json;
use twinseal_abe::Policy;
use twinseal_twin::{Series, SignalKind, ingest};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::Error;
use crate::record::{Section, SectionName};

/// Who reads what identifies or diagnoses the patient.
pub const CLINICAL_POLICY: &str = "physician@hospital";
/// Who reads a stream: physicians, and researchers of the institute that the hospital knows too.
pub const STREAM_POLICY: &str = "physician@hospital or researcher@institute and affiliate@hospital";

/// What a file is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum UploadKind {
    /// A Dexcom G6 export, or its harmonised two-column form.
    Dexcom,
    /// Electrodermal activity as an Empatica E4 writes it; its times are UTC and stay so.
    E4,
    /// Opaque bytes.
    File,
}

impl UploadKind {
    /// By the first line: a number starts an E4 recording, a header with a glucose column an export.
    pub fn guess(bytes: &[u8]) -> Self {
        let first = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
        let Ok(first) = core::str::from_utf8(first) else { return Self::File };
        if first.trim().parse::<f64>().is_ok() {
            Self::E4
        } else if first.to_ascii_lowercase().contains("glucose") {
            Self::Dexcom
        } else {
            Self::File
        }
    }
}

impl core::fmt::Display for UploadKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Dexcom => "dexcom",
            Self::E4 => "e4",
            Self::File => "file",
        })
    }
}

/// A record before it has a number.
pub struct Upload {
    /// In the order they will be signed.
    pub sections: Vec<Section>,
}

impl Upload {
    /// Reads `bytes` as `kind`, or as what they look like. `policy` replaces the default of the stream or file section.
    pub fn parse(bytes: &[u8], kind: Option<UploadKind>, policy: Option<&str>) -> Result<Self, Error> {
        if bytes.is_empty() {
            return Err(Error::BadUpload { reason: "it is empty; choose a file with content".into() });
        }
        let mut upload = Self { sections: Vec::new() };
        let recording = match kind.unwrap_or_else(|| UploadKind::guess(bytes)) {
            UploadKind::Dexcom => ingest::dexcom::parse(bytes)?,
            UploadKind::E4 => ingest::e4::parse_eda(bytes, 0)?,
            UploadKind::File => {
                let policy = crate::policy::parse(policy.unwrap_or(CLINICAL_POLICY))?;
                upload.add("files/upload", policy, bytes.to_vec())?;
                return Ok(upload);
            }
        };
        let personal = &recording.personal;
        let personal = json!({
            "first_name": personal.first_name,
            "last_name": personal.last_name,
            "patient_identifier": personal.patient_identifier,
            "date_of_birth": personal.date_of_birth,
        });
        upload.add("personal", CLINICAL_POLICY.parse()?, personal.to_string().into_bytes())?;
        let name = match recording.series.kind() {
            SignalKind::GlucoseMgDl => "stream/glucose",
            SignalKind::EdaMicrosiemens => "stream/eda",
        };
        let policy = crate::policy::parse(policy.unwrap_or(STREAM_POLICY))?;
        upload.add(name, policy, recording.series.to_bytes())?;
        Ok(upload)
    }

    /// Adds a clinical section of text.
    pub fn add_text(&mut self, name: &str, text: &str) -> Result<(), Error> {
        self.add(name, CLINICAL_POLICY.parse()?, text.as_bytes().to_vec())
    }

    /// The sensor stream, if there is one.
    pub fn stream(&self) -> Option<(&SectionName, Series)> {
        let section = self.sections.iter().find(|s| s.name.is_stream())?;
        Some((&section.name, Series::from_bytes(&section.plaintext).ok()?))
    }

    /// Adds a section.
    pub fn add(&mut self, name: &str, policy: Policy, plaintext: Vec<u8>) -> Result<(), Error> {
        let section = Section { name: SectionName::new(name)?, policy, plaintext: Zeroizing::new(plaintext) };
        self.sections.push(section);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_recognised_by_their_first_line() {
        assert_eq!(UploadKind::guess(b"1644226061.0\n4.0\n0.1\n"), UploadKind::E4);
        assert_eq!(UploadKind::guess(b"Index,Timestamp,Glucose Value (mg/dL)\n"), UploadKind::Dexcom);
        assert_eq!(UploadKind::guess(b"%PDF-1.7\n"), UploadKind::File);
        assert_eq!(UploadKind::guess(&[0xff, 0xfe, 0x00]), UploadKind::File);
    }

    #[test]
    fn a_file_keeps_its_bytes_and_takes_the_policy() {
        let upload = Upload::parse(b"%PDF-1.7", None, Some("auditor@institute")).unwrap();
        assert_eq!(upload.sections.len(), 1);
        assert_eq!(upload.sections[0].plaintext.as_slice(), b"%PDF-1.7");
        assert_eq!(upload.sections[0].policy.to_string(), "auditor@institute");
        assert!(upload.stream().is_none());
        assert!(Upload::parse(b"", None, None).is_err());
        assert!(Upload::parse(b"x", None, Some("and and")).is_err());
        assert!(Upload::parse(b"x", Some(UploadKind::Dexcom), None).is_err());
    }
}

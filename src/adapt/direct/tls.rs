//! Our certificate, and how the other side's is recognised: by its fingerprint alone.
//!
//! The certificate and its key lie in `direct.pem` in the state folder, for its owner alone. Losing it loses nothing: a
//! new one is made at the next start, and the next heartbeat tells its fingerprint.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};
use crate::sys::files;

/// The certificate and its key, in the state folder.
pub const FILE: &str = "direct.pem";

/// What the certificate is made out to. Nobody looks at it.
const NAME: &str = "lanpost";

/// Loads the certificate of the state folder, making one if there is none that can be used; its fingerprint comes with it.
///
/// # Errors
/// The file can't be read or made.
pub fn load_or_make(state: &Path) -> Result<(Arc<ServerConfig>, [u8; 32])> {
    let path = state.join(FILE);
    let failed = |cause: String| Error::new(Kind::Io, "make a certificate in", path.display(), cause);
    let found = files::read(&path)?;
    if let Some(server) = found.as_deref().and_then(|pem| server(pem).ok()) {
        return Ok(server);
    }
    if found.is_some() {
        files::remove(&path)?;
    }
    let key = rcgen::KeyPair::generate().map_err(|error| failed(error.to_string()))?;
    let made =
        rcgen::CertificateParams::new(vec![NAME.to_owned()]).and_then(|params| params.self_signed(&key));
    let cert = made.map_err(|error| failed(error.to_string()))?;
    let pem = cert.pem() + &key.serialize_pem();
    files::create_private(&path, pem.as_bytes())?;
    server(pem.as_bytes()).map_err(failed)
}

fn server(pem: &[u8]) -> std::result::Result<(Arc<ServerConfig>, [u8; 32]), String> {
    let words = |error: rustls::pki_types::pem::Error| error.to_string();
    let cert = CertificateDer::from_pem_slice(pem).map_err(words)?;
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(words)?;
    let hash = Sha256::digest(&cert).into();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(vec![cert], key))
        .map_err(|error| error.to_string())?;
    Ok((Arc::new(config), hash))
}

/// What believes the certificate of this fingerprint, and no other.
pub fn client(fingerprint: [u8; 32]) -> std::result::Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    let pinned = Arc::new(Pinned { fingerprint, algorithms: algorithms(&provider) });
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    Ok(Arc::new(config.dangerous().with_custom_certificate_verifier(pinned).with_no_client_auth()))
}

/// The name that is asked for. Nobody looks at it.
pub fn name() -> ServerName<'static> {
    ServerName::DnsName(rustls::pki_types::DnsName::try_from(NAME).expect("a valid name"))
}

fn algorithms(provider: &CryptoProvider) -> WebPkiSupportedAlgorithms {
    provider.signature_verification_algorithms
}

/// Believes one certificate, whoever signed it, whatever name and time it is for: its fingerprint was signed by its owner.
#[derive(Debug)]
struct Pinned {
    fingerprint: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let hash: [u8; 32] = Sha256::digest(end_entity).into();
        match hash == self.fingerprint {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_made_once_and_anew_if_it_is_damaged() {
        let state = tempfile::tempdir().unwrap();
        let (_, first) = load_or_make(state.path()).unwrap();
        assert_eq!(load_or_make(state.path()).unwrap().1, first);
        files::remove(&state.path().join(FILE)).unwrap();
        files::create_private(&state.path().join(FILE), b"noise").unwrap();
        assert_ne!(load_or_make(state.path()).unwrap().1, first);
    }
}

//! TLS: the certificate, and its renewal while connections go on.
//!
//! Certificates live for weeks, and nodes for longer. So the files are read again every few seconds, rather than on a
//! signal that whoever renews them would have to know of, and their contents compared, since a file system may keep no
//! useful times (a mounted secret is a link that is moved). What is new counts for the next handshake. What is wrong,
//! or only half replaced, is logged, and the old one stays.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::CryptoProvider,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};

/// What TLS begins with, in the order in which we would have it.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where the certificate is.
#[derive(Debug, Clone)]
pub struct Files {
    /// The certificate and those that vouch for it, in PEM.
    pub cert: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// How often they are read again.
    pub reload: Duration,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One file is named, and the other is not.
    #[error("TLS_CERT and TLS_KEY go together: {0} is missing")]
    Half(&'static str),
    /// A file that cannot be read.
    #[error("{} cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// No certificate in its file.
    #[error("{} holds no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// No key in its file.
    #[error("{} holds no private key in PEM", .0.display())]
    NoKey(PathBuf),
    /// They cannot be used, or not together.
    #[error("the certificate and its key are of no use")]
    Unfit(#[source] rustls::Error),
    /// The library was built without cryptography.
    #[error("there is no provider of cryptography")]
    NoProvider,
}

/// What connections are encrypted with.
pub struct Tls {
    pub(super) acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
    files: Files,
    /// What the files held when they were last read.
    contents: Contents,
}

#[derive(Debug)]
struct Certificate(RwLock<Arc<CertifiedKey>>);

#[derive(PartialEq)]
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When they hold no certificate with its key.
    pub fn load(files: Files) -> Result<Self, TlsError> {
        let contents = Contents { cert: read(&files.cert)?, key: read(&files.key)? };
        let certificate = Arc::new(Certificate(RwLock::new(Arc::new(contents.certificate(&files)?))));
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&certificate) as _;
        let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        Ok(Self { acceptor: Arc::new(config).into(), certificate, files, contents })
    }

    /// Takes a new certificate whenever there is one; runs until it is dropped.
    pub(super) async fn renew(&mut self) {
        loop {
            tokio::time::sleep(self.files.reload).await;
            match self.look() {
                Ok(false) => {}
                Ok(true) => tracing::info!("there is a new certificate"),
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "the new certificate is not taken, the old one stays");
                }
            }
        }
    }

    /// Reads the files, and takes what is new in them; whether anything was.
    fn look(&mut self) -> Result<bool, TlsError> {
        // They are small and on this machine.
        let contents = Contents { cert: read(&self.files.cert)?, key: read(&self.files.key)? };
        if contents == self.contents {
            return Ok(false);
        }
        self.contents = contents;
        let new = Arc::new(self.contents.certificate(&self.files)?);
        // No code panics under this lock.
        *self.certificate.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(true)
    }
}

impl Contents {
    fn certificate(&self, files: &Files) -> Result<CertifiedKey, TlsError> {
        let chain = CertificateDer::pem_slice_iter(&self.cert).collect::<Result<Vec<_>, _>>();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| TlsError::NoCertificate(files.cert.clone()))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| TlsError::NoKey(files.key.clone()))?;
        let provider = CryptoProvider::get_default().ok_or(TlsError::NoProvider)?;
        CertifiedKey::from_der(chain, key, provider).map_err(TlsError::Unfit)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Unreadable(path.to_owned(), error))
}

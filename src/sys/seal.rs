//! Sealing: encrypting to a peer's key by `age`, whose randomness is its own. Streams in, streams out, so what is sealed
//! need not fit into memory: a message's line is one use, a file that is attached to it another.
//!
//! What is opened was written by anybody. Its header is looked at before any key is tried: every stanza costs a
//! multiplication on the curve for each of our keys.

use std::fmt;
use std::io::{self, BufReader, Read, Write};

use age::secrecy::ExposeSecret;
use age::x25519::{Identity, Recipient};
use age::{Decryptor, Encryptor};
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::model::seal::SealKey;

/// How a file of our keys begins.
pub const TITLE: &str = "# lanpost's sealing keys, the newest first; keep them secret\n";
/// The longest header that is read. Ours is below a kilobyte.
const HEADER: u64 = 4_096;
/// Recipients that a header may name: ours names one.
const RECIPIENTS: usize = 2;
/// Former keys that are kept.
const FORMER: usize = 15;

/// Our sealing keys: the one that peers seal to, and those before it, for what was sealed then. The secrets are erased
/// from memory when they are dropped, and shown by nothing.
#[derive(Clone, Default)]
pub struct Identities(Vec<Identity>);

impl Identities {
    /// Reads what [`Identities::to_text`] wrote: one key a line, the newest first, `#` begins a comment. It is what the
    /// program `age` reads, too.
    ///
    /// # Errors
    /// A line is no key, or there is none.
    pub fn parse(text: &str) -> Result<Identities, &'static str> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys = lines.map(str::parse).collect::<Result<Vec<Identity>, _>>()?;
        if keys.is_empty() { Err("it holds no key") } else { Ok(Identities(keys)) }
    }

    /// The file's text.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::from(TITLE));
        for key in &self.0 {
            text.push_str(key.to_string().expose_secret());
            text.push('\n');
        }
        text
    }

    /// These, with a new one in front.
    pub fn renewed(&self) -> Identities {
        Identities(std::iter::once(Identity::generate()).chain(self.0.iter().take(FORMER).cloned()).collect())
    }

    /// These, and after them what `others` has more.
    pub fn joined(&self, others: &Identities) -> Identities {
        let known: Vec<_> = self.0.iter().map(Identity::to_public).collect();
        let more = others.0.iter().filter(|key| !known.contains(&key.to_public()));
        Identities(self.0.iter().chain(more).take(FORMER + 1).cloned().collect())
    }

    /// The key that peers seal to.
    pub fn key(&self) -> Option<SealKey> {
        self.0.first().and_then(|key| key.to_public().to_string().parse().ok())
    }

    /// Whether `key` is one of these.
    pub fn has(&self, key: &SealKey) -> bool {
        self.0.iter().any(|own| own.to_public().to_string() == key.as_str())
    }

    /// Opens what was sealed to one of these, and writes it to `out`, at most `most` bytes. What was written before an
    /// error is not to be believed.
    ///
    /// # Errors
    /// It is not for us, damaged, or larger; or a stream failed. In words for people.
    pub fn open(&self, sealed: &mut dyn Read, most: u64, out: &mut dyn Write) -> Result<u64, String> {
        // In our words: those of age are translated, by tables that a debug build looks for on the builder's disk.
        let damaged = |why: &str| format!("it can't be opened: {why}");
        let head = header(sealed).map_err(|error| damaged(&error.to_string()))?;
        let input = BufReader::new(io::Cursor::new(head).chain(sealed));
        let found = Decryptor::new_buffered(input).map_err(|_| damaged("its header is damaged"))?;
        let keys = self.0.iter().map(|key| key as &dyn age::Identity);
        let mut plain = found.decrypt(keys).map_err(|error| match error {
            age::DecryptError::NoMatchingKeys => "it is sealed to a key that is not here".to_owned(),
            _ => damaged("it is damaged"),
        })?;
        let read = io::copy(&mut plain.by_ref().take(most.saturating_add(1)), out);
        match read {
            Ok(size) if size > most => Err(format!("more than {most} bytes were sealed")),
            Ok(size) => Ok(size),
            Err(_) => Err(damaged("it is damaged, or was cut")),
        }
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sealing keys", self.0.len())
    }
}

/// The beginning of a sealed stream, with all of its header, which is one that we might have written.
fn header(sealed: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = vec![];
    sealed.take(HEADER).read_to_end(&mut head)?;
    let count = |word: &[u8], bytes: &[u8]| bytes.windows(word.len()).filter(|at| *at == word).count();
    let end = head.windows(5).position(|at| at == b"\n--- ");
    let good = end
        .and_then(|end| head.get(..end))
        .is_some_and(|stanzas| count(b"\n-> X25519", stanzas) <= RECIPIENTS);
    if good { Ok(head) } else { Err(io::Error::other("its header is none of lanpost's")) }
}

/// Seals a stream to `key`.
///
/// # Errors
/// The key's checksum is wrong, or a stream failed.
pub fn seal(key: &SealKey, plain: &mut dyn Read, out: &mut dyn Write) -> Result<()> {
    let fail = |cause: &str| Error::new(Kind::Corrupt, "seal to", key, cause);
    let to: Recipient = key.as_str().parse().map_err(fail)?;
    let encryptor =
        Encryptor::with_recipients(std::iter::once(&to as _)).map_err(|_| fail("it is no key"))?;
    let sealed = encryptor.wrap_output(out).and_then(|mut sealed| {
        io::copy(plain, &mut sealed)?;
        sealed.finish()
    });
    sealed.map(drop).map_err(|_| fail("what was to be sealed could not be read or written"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sealed(to: &Identities, plain: &[u8]) -> Vec<u8> {
        let mut out = vec![];
        seal(&to.key().unwrap(), &mut &*plain, &mut out).unwrap();
        out
    }

    fn open(keys: &Identities, bytes: &[u8], most: u64) -> Result<Vec<u8>, String> {
        let mut out = vec![];
        keys.open(&mut &*bytes, most, &mut out).map(|_| out)
    }

    #[test]
    fn what_is_sealed_is_opened_by_its_key_and_those_that_follow_it() {
        let first = Identities::default().renewed();
        let later = first.renewed().renewed();
        let read = Identities::parse(&later.to_text()).unwrap();
        assert_eq!(read.key(), later.key());
        assert!(read.has(&first.key().unwrap()));
        for plain in [&b""[..], b"hello", &[7; 200_000]] {
            let bytes = sealed(&first, plain);
            assert_eq!(open(&read, &bytes, 200_000).unwrap(), plain);
            assert_ne!(bytes, sealed(&first, plain), "never twice the same");
        }
        let why = open(&Identities::default().renewed(), &sealed(&first, b"x"), 9).unwrap_err();
        assert!(why.contains("a key that is not here"), "{why}");
        assert_eq!(format!("{first:?}"), "1 sealing keys");
        assert!(Identities::parse("# nothing").is_err() && Identities::parse("AGE-SECRET-KEY-1QQ").is_err());
        let other = Identities::default().renewed();
        let both = first.joined(&other).joined(&first);
        assert!(both.key() == first.key() && both.has(&other.key().unwrap()) && both.0.len() == 2);
    }

    #[test]
    fn no_more_is_opened_than_asked_for() {
        let keys = Identities::default().renewed();
        let bytes = sealed(&keys, &[0; 100_000]);
        assert!(open(&keys, &bytes, 99_999).unwrap_err().contains("more than 99999 bytes"));
        assert_eq!(open(&keys, &bytes, 100_000).unwrap().len(), 100_000);
        assert!(open(&keys, &bytes[..bytes.len() - 1], 100_000).is_err(), "cut off");
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(open(&keys, &longer, 100_000).is_err());
        for at in (0..bytes.len()).step_by(997) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(open(&keys, &changed, 100_000).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_header_with_many_recipients_is_not_tried() {
        let keys = Identities::default().renewed();
        let stanza = format!("-> X25519 {}\n{}\n", "A".repeat(43), "A".repeat(43));
        let bytes = format!("age-encryption.org/v1\n{}--- {}\n", stanza.repeat(20), "A".repeat(43));
        assert!(open(&keys, bytes.as_bytes(), 9).unwrap_err().contains("header"));
        assert!(open(&keys, &vec![b'x'; 1 << 20], 9).unwrap_err().contains("header"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_opened_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0_usize..600) {
            let keys = Identities::default().renewed();
            prop_assert!(open(&keys, &bytes, 64).is_err());
            let whole = sealed(&keys, b"some words");
            let mut other = whole[..cut.min(whole.len())].to_vec();
            other.extend(&bytes);
            prop_assert_eq!(open(&keys, &other, 64).is_ok(), other == whole);
        }
    }
}

//! States as bytes: little-endian numbers and texts with their length in front.

use super::Failure;

/// Reads a state from its beginning.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let (head, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or_else(|| Failure::state("it ends early"))?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Failure> {
        self.take().map(u64::from_le_bytes)
    }

    pub(super) fn i128(&mut self) -> Result<i128, Failure> {
        self.take().map(i128::from_le_bytes)
    }

    /// Bytes with their length in front.
    pub(super) fn run(&mut self) -> Result<&'a [u8], Failure> {
        let length = usize::try_from(self.u64()?).unwrap_or(usize::MAX);
        let (head, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| Failure::state("it ends early"))?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn end(self) -> Result<(), Failure> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Failure::state("something follows it"))
        }
    }
}

/// Appends bytes with their length in front.
pub(super) fn push_run(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}

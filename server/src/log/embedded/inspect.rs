//! A look at the engine's files before it opens them. A damaged length in a manifest or a table of contents would make
//! the engine ask for all memory there is, which ends the process; the rest it notices itself. Changes nothing.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

/// The end of an archive: magic, version, kind of checksum, checksum (16), position (8) and length (8) of the contents.
const TRAILER: usize = 38;
const TRAILER_MAGIC: &[u8] = b"SFA!";
const POSITION: usize = 22;
/// The contents begin with a magic and the number of sections, each of at least this many bytes.
const CONTENTS_MAGIC: &[u8] = b"TOC!";
const SECTION: u64 = 16;

/// Which manifest is the present one: its number (8), its checksum (16), the kind of checksum.
const CURRENT: &str = "current";

/// The first file that cannot be what was written.
pub(super) fn damaged_file(folder: &Path) -> io::Result<Option<PathBuf>> {
    if let Some(manifest) = damaged_manifest(folder)? {
        return Ok(Some(manifest));
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = match entry.file_type()?.is_dir() {
            true => damaged_file(&entry.path())?,
            false => (!plausible(&entry.path())?).then(|| entry.path()),
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn damaged_manifest(folder: &Path) -> io::Result<Option<PathBuf>> {
    let current = folder.join(CURRENT);
    if !current.exists() {
        return Ok(None);
    }
    let bytes = fs::read(&current)?;
    let (Some(number), Some(checksum)) = (bytes.first_chunk::<8>(), bytes.get(8..24)) else {
        return Ok(Some(current));
    };
    let manifest = folder.join(format!("v{}", u64::from_le_bytes(*number)));
    match fs::read(&manifest) {
        Ok(content) if xxh3_128(&content).to_le_bytes() == checksum => Ok(None),
        Ok(_) => Ok(Some(manifest)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(manifest)),
        Err(error) => Err(error),
    }
}

fn plausible(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let Some(end) = length.checked_sub(TRAILER as u64) else { return Ok(true) };
    file.seek(SeekFrom::Start(end))?;
    let mut trailer = [0; TRAILER];
    file.read_exact(&mut trailer)?;
    let position = trailer.get(POSITION..).and_then(|bytes| bytes.first_chunk::<8>());
    let (TRAILER_MAGIC, Some(position)) = (&trailer[..TRAILER_MAGIC.len()], position) else {
        // No archive, or one whose end is damaged: the engine says so.
        return Ok(true);
    };
    let position = u64::from_le_bytes(*position);
    if position > end {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(position))?;
    let mut head = [0; 8];
    file.read_exact(&mut head)?;
    let [magic @ .., a, b, c, d] = head;
    let sections = u64::from(u32::from_le_bytes([a, b, c, d]));
    Ok(magic != *CONTENTS_MAGIC || sections * SECTION <= length - position)
}

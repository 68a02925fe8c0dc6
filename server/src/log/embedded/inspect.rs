//! A look at the engine's files before it opens them. A table of contents with a damaged length would make the engine
//! ask for all memory there is, which ends the process; everything else it notices itself. Changes nothing.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The end of an archive: magic, version, kind of checksum, checksum (16), position (8) and length (8) of the contents.
const TRAILER: u64 = 38;
const TRAILER_MAGIC: &[u8] = b"SFA!";
const POSITION: usize = 22;
/// The contents begin with a magic and the number of sections, each of at least this many bytes.
const CONTENTS_MAGIC: &[u8] = b"TOC!";
const SECTION: u64 = 16;

/// The first file whose table of contents cannot be true.
pub(super) fn damaged_archive(folder: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = match entry.file_type()?.is_dir() {
            true => damaged_archive(&entry.path())?,
            false => (!plausible(&entry.path())?).then(|| entry.path()),
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn plausible(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    if length < TRAILER {
        return Ok(true);
    }
    file.seek(SeekFrom::Start(length - TRAILER))?;
    let mut trailer = [0; TRAILER as usize];
    file.read_exact(&mut trailer)?;
    if !trailer.starts_with(TRAILER_MAGIC) {
        // No archive, or one whose end is damaged: the engine says so.
        return Ok(true);
    }
    let mut position = [0; 8];
    position.copy_from_slice(&trailer[POSITION..POSITION + 8]);
    let position = u64::from_le_bytes(position);
    let mut head = [0; 8];
    if position > length - TRAILER {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(position))?;
    file.read_exact(&mut head)?;
    let [magic @ .., a, b, c, d] = head;
    let sections = u64::from(u32::from_le_bytes([a, b, c, d]));
    Ok(magic != *CONTENTS_MAGIC || sections * SECTION <= length - position)
}

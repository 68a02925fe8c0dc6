//! A small disk for the hub's store, so that it can be full: a file system of its own in memory, where this process may
//! mount one. Never touches any other.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

/// Its size: what the store needs in the longest run, several times.
const SIZE: &str = "size=1g";

/// The disk. It is unmounted when this is dropped.
pub(super) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts one at this folder; `None` where that is not allowed.
    pub(super) fn mount(folder: &Path) -> Result<Option<Self>> {
        std::fs::create_dir_all(folder)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZE, "wsc-chaos"]).arg(folder).stderr(Stdio::null());
        let mounted = mount.status().is_ok_and(|status| status.success());
        Ok(mounted.then(|| Self { folder: folder.to_owned() }))
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Leaves no room.
    pub(super) fn fill(&self) -> Result<()> {
        let mut file = File::create(self.ballast())?;
        let mut size = 1 << 20;
        let zeros = vec![0; size];
        while size > 0 {
            match file.write(&zeros[..size]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
                Err(error) => return Err(error).context("the disk could not be filled"),
            }
        }
        Ok(())
    }

    /// Gives the room back.
    pub(super) fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.ballast())?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The hub, which has files open there, may be dropped after this.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

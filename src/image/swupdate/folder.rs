//! An archive made of a folder: `sw-description`, then the files that it names, in the order in which it does.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::cpio;
use super::description::Description;
use super::{DESCRIPTION, Fault, TEXT_LIMIT};
use crate::files::{self, Folder};
use crate::image::{Bad, Error};

/// Makes the archive, in a file without a name. Equal files give equal archives.
pub fn archive(path: &Path) -> Result<File, Fault> {
    let failed = |name: &str| {
        let path = path.join(name);
        move |source| Fault::from(Error::Read { path, source })
    };
    let folder = Folder::open(path).map_err(failed(""))?;
    let mut text = Vec::new();
    let description = folder.file(DESCRIPTION).map_err(failed(DESCRIPTION))?;
    description.take(TEXT_LIMIT + 1).read_to_end(&mut text).map_err(failed(DESCRIPTION))?;
    if text.len() as u64 > TEXT_LIMIT {
        return Err(Bad::new("malformed", format!("{DESCRIPTION} has more than {TEXT_LIMIT} bytes")).into());
    }
    let mut archive = New { file: files::unnamed().map_err(aside)?, end: 0 };
    archive.add(DESCRIPTION, &mut text.as_slice(), failed(DESCRIPTION))?;
    let mut names = BTreeSet::from([DESCRIPTION.to_owned()]);
    for artefact in Description::parse(&text)?.artefacts()? {
        let name = artefact.name;
        if names.insert(name.clone()) {
            let mut file = folder.file(&name).map_err(failed(&name))?;
            // Before gigabytes are copied; what grows meanwhile is found behind them.
            size_field(&name, file.metadata().map_err(failed(&name))?.len())?;
            archive.add(&name, &mut file, failed(&name))?;
        }
    }
    archive.finish()
}

/// An archive that is being written.
struct New {
    file: File,
    /// Where the last entry ends.
    end: u64,
}

impl New {
    /// Adds a file. Its size and checksum stand before it, so they are written when all of it has been read.
    fn add(
        &mut self,
        name: &str,
        content: &mut impl Read,
        failed: impl FnOnce(io::Error) -> Fault,
    ) -> Result<(), Fault> {
        let start = self.end + cpio::head(name, 0, 0).len() as u64;
        self.file.seek(io::SeekFrom::Start(start)).map_err(aside)?;
        let mut buffer = vec![0; 256 << 10];
        let (mut size, mut sum) = (0_u64, 0);
        loop {
            let count = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            size += count as u64;
            sum = cpio::add(sum, &buffer[..count]);
            self.file.write_all(&buffer[..count]).map_err(aside)?;
        }
        let size_field = size_field(name, size)?;
        self.file.write_all_at(&cpio::head(name, size_field, sum), self.end).map_err(aside)?;
        self.end = cpio::aligned(start + size);
        Ok(())
    }

    /// Adds the trailer; what was skipped between the entries is zeros.
    fn finish(mut self) -> Result<File, Fault> {
        self.file.seek(io::SeekFrom::Start(self.end)).map_err(aside)?;
        self.file.write_all(&cpio::tail(self.end)).map_err(aside)?;
        Ok(self.file)
    }
}

/// The size of a file as an archive has it.
fn size_field(name: &str, size: u64) -> Result<u32, Bad> {
    u32::try_from(size).map_err(|_| {
        Bad::new("too-large", format!("{name} has {size} bytes, and a file in an archive has at most {}", u32::MAX))
    })
}

fn aside(source: io::Error) -> Fault {
    Error::Aside { source }.into()
}

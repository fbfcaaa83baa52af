//! Storing objects anew, in storages that tell one object from another by its bytes: the header has another time then, which
//! readers ignore.

use super::listing;
use super::opened::Heap;
use super::store_lease::{Claim, StoreLease};
use super::used::Used;
use crate::codec;
use crate::content::Lack;
use crate::digest::Md5;
use crate::error::{Error, OrFailed, Result};
use crate::name::Name;
use crate::parallel::{self, lock};
use crate::record::{Kind, Record, key};
use crate::time::Time;
use std::collections::BTreeSet;
use std::sync::Mutex;

impl Heap {
    /// Returns the time for the header of an object that is about to be stored; None for no time. An object of the same content
    /// may have been deleted by `snap-gc`, or is condemned: the new one has to have other bytes. Where `snap-gc` never condemned
    /// anything, equal contents are equal objects.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub(super) fn stamp(&self, md5: &Md5) -> Result<Option<u32>> {
        // What is encrypted never has the same bytes again.
        let Some(lease) = self.store_lease.as_ref().filter(|_| self.names.cipher.is_none()) else { return Ok(None) };
        if !lease.has_list()? {
            return Ok(None);
        }
        let condemned = lease.condemned()?;
        let now = u32::try_from(Time::now().sec).unwrap_or_default();
        let there = match condemned.of(md5).is_empty() {
            true => None,
            false => self.part(md5, 0, codec::PLAIN as u64)?.ok().as_deref().and_then(codec::time_of),
        };
        Ok(Some(codec::later(now, there)))
    }

    /// Checks that an object that was just stored is not the condemned one, as it would be if the service ignored what was sent.
    pub(super) fn check_stored(&self, md5: &Md5) -> Result<()> {
        let Some(lease) = &self.store_lease else { return Ok(()) };
        let id = self.names.id(md5);
        lease.stored(&id);
        match lease.claim(&id)? {
            Claim::Kept => Ok(()),
            Claim::Condemned | Claim::Gone => Err(self.overtaken(md5)),
        }
    }

    fn overtaken(&self, md5: &Md5) -> Error {
        Error::advise(
            format!("{}: snap-gc condemned or deleted it while this ran", self.shown_object(md5)),
            "run it again: missing objects are stored again",
        )
    }

    /// Does what [`Heap::renew`] does, in another storage.
    pub(super) fn renew_stored(&self, lease: &StoreLease, md5: &Md5) -> Result<bool> {
        match lease.claim(&self.names.id(md5))? {
            Claim::Kept => Ok(true),
            Claim::Gone => Ok(false),
            Claim::Condemned => self.store_anew(md5),
        }
    }

    /// Reads an object and stores it anew. Returns false if it is gone, damaged or in an archive, or can't be decrypted here.
    fn store_anew(&self, md5: &Md5) -> Result<bool> {
        if self.names.cipher.as_ref().is_some_and(|cipher| !cipher.can_read()) {
            return Ok(false);
        }
        let record = Record::build(Name::new(self.object_path(md5).as_bytes()), Kind::File).set(key::MD5, *md5).finish();
        match self.copy_anew(self, &record, true) {
            Ok(_) => Ok(true),
            Err(Lack::Record(_)) => Ok(false),
            Err(Lack::All(e)) => Err(e),
        }
    }

    /// Does what [`Heap::confirm_used`] does, in another storage.
    pub(super) fn confirm_stored(&self, lease: &StoreLease, used: Used) -> Result<()> {
        let before = lease.condemned()?;
        let now = lease.load_condemned()?;
        let replaced = !before.is_same(&now);
        if now.is_empty() && !replaced {
            return Ok(());
        }
        // While the lists stay the same, only objects that they name are deleted.
        let listed = match replaced {
            true => Some(listing::list(&self.store, &self.names).or_failed(|| format!("list the heap root {}", self.root()))?),
            false => None,
        };
        let mut named = BTreeSet::new();
        used.each(|md5| {
            let id = self.names.id(&md5);
            if !now.of(&id).is_empty() {
                named.insert(md5);
            } else if let Some(listed) = &listed
                && listed.size(&id)?.is_none()
            {
                return Err(self.overtaken(&md5));
            }
            Ok(())
        })?;
        let is_renewed = |renewed: bool, md5: &Md5| if renewed { Ok(()) } else { Err(self.overtaken(md5)) };
        self.at_once(named, |md5| is_renewed(self.renew_stored(lease, md5)?, md5))?;
        if lease.is_overtaken(&before, &now) {
            let new = lock(&self.new).keys().copied().collect();
            self.at_once(new, |md5| is_renewed(self.store_anew(md5)?, md5))?;
        }
        Ok(())
    }

    /// Does this work for all objects, many at once. Returns the first error.
    fn at_once(&self, md5s: BTreeSet<Md5>, work: impl Fn(&Md5) -> Result<()> + Sync) -> Result<()> {
        let failed = Mutex::new(None);
        parallel::at_once(self.store.jobs().min(md5s.len()), md5s.into_iter(), |md5| {
            if lock(&failed).is_none()
                && let Err(e) = work(&md5)
            {
                *lock(&failed) = Some(e);
            }
        });
        failed.into_inner().unwrap_or_default().map_or(Ok(()), Err)
    }
}

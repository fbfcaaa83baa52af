//! Decides what `--delete` can delete. A file without a record is deleted only if the record is known to be absent on purpose.

use super::input::Input;
use super::options::{MaxDelete, Options};
use crate::display::counted;
use crate::end::{End, Listing};
use crate::error::{Error, Refusal, Result};
use crate::join::Side;
use crate::name::Name;
use crate::scan::Rules;

/// The names that are not deleted although they have no record.
#[derive(Debug, Default)]
pub struct Spared {
    kept_out: Vec<Name>,
    rules: Option<Rules>,
    /// The listed types, if not all: `file`, `link`, `directory`. Entries of other types are not deleted.
    types: Option<Vec<String>>,
}

impl Spared {
    /// Checks whether entries of this type can be deleted: `file`, `link` or `directory`.
    pub fn deletes(&self, kind: &str) -> bool {
        self.types.as_ref().is_none_or(|types| types.iter().any(|t| t == kind))
    }

    /// Checks whether this folder stays because something in it is left out of the listing by name.
    pub fn holds(&self, folder: &Name) -> bool {
        self.kept_out.iter().any(|kept| folder.is_above(kept))
    }

    /// Checks whether a folder can contain names that are spared.
    pub fn may_hold(&self, folder: &Name) -> bool {
        self.rules.is_some() || self.holds(folder)
    }

    /// Checks whether this name and everything below it are spared.
    pub fn spares(&self, name: &Name, folder: bool) -> bool {
        let kept_out = self.kept_out.iter().any(|kept| kept == name || kept.is_above(name));
        kept_out || self.rules.as_ref().is_some_and(|rules| rules.leaves_out(name.as_bytes(), folder))
    }
}

/// Returns the names that are spared, if the input allows to delete at all.
///
/// # Errors
/// If it does not: the stream, or the restored side of the rows, can be incomplete. Files whose records are missing would be
/// deleted.
pub fn permit(input: &Input, options: &Options) -> Result<Spared> {
    let refused = |refusal, why: &str| Err(Error::rule(refusal, format!("nothing is restored: {why}")));
    let Some(end) = input.end.clone() else {
        return refused(
            Refusal::DeletesUnterminated,
            "the input has no end record, so it may be cut short, and what it lacks would be deleted",
        );
    };
    let (counts, types) = (input.spool.counts(), end.types.clone());
    let end = match (input.is_rows, end.sides) {
        (false, sides) => End { errors: end.errors.max(counts.errors), sides, ..end },
        (true, Some(sides)) => {
            let kept_out = sides.iter().flat_map(|side| side.kept_out.clone()).collect();
            let [left, right] = *sides;
            let side = if options.side == Side::Left { left } else { right };
            // Missing rows delete nothing. So the numbers are those of the comparison.
            End { records: Some(counts.listing.records), names: None, kept_out, ..side }
        }
        (true, None) => {
            return Err(Error::advise(
                "nothing is restored: the rows do not say whether the lists that were compared were whole",
                "compare them again with snap-diff",
            ));
        }
    };
    refuse_by_kind(&end)?;
    if end.errors > 0 {
        let failed = counted(end.errors, "record");
        return refused(Refusal::DeletesFailed, &format!("{failed} failed before, and would be deleted"));
    }
    let (listed, came) = (end.records.unwrap_or(0), counts.listing.records);
    let is_all = end.is_of(counts.listing);
    let end = end.compared_with(counts.listing);
    let rules: Option<Rules> = end.rules.clone().and_then(|rules| serde_json::from_value(rules).ok());
    // Rules count even if they left nothing out. Rules that this version does not understand can leave out anything.
    let is_short = end.is_short() || end.rules.is_some() && rules.is_none();
    if !options.delete_excluded && is_short {
        return match is_all {
            true => refused(Refusal::DeletesFiltered, "the records are filtered, and what was left out would be deleted"),
            false if came < listed => {
                refused(Refusal::DeletesShort, &format!("{came} of {listed} records came, and the others would be deleted"))
            }
            false => refused(
                Refusal::DeletesChanged,
                "other records came than were listed, and files without a record would be deleted",
            ),
        };
    }
    Ok(Spared { kept_out: end.kept_out, rules: rules.filter(|_| !options.delete_excluded), types })
}

/// Refuses records that never list all of a folder, or not in a way that this version knows.
fn refuse_by_kind(end: &End) -> Result<()> {
    let refused = |refusal, why: &str| Err(Error::rule(refusal, format!("nothing is restored: {why}")));
    if end.put {
        return refused(
            Refusal::DeletesPut,
            "the records were stored by snap-put and list no folder, and everything else in this one would be deleted",
        );
    }
    if end.v.is_some() {
        return refused(
            Refusal::DeletesLaterVersion,
            "the snapshot was made by a later version, which may have left things out in ways that this one does not know",
        );
    }
    Ok(())
}

/// How much a restore would delete, counted before it changes anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extent {
    /// The number of existing files and links.
    pub there: u64,
    /// The number of these that would be deleted.
    pub deleted: u64,
    /// The number of existing names that have a record.
    pub shared: u64,
}

impl Extent {
    /// Checks whether this many files can be deleted. `made`: whether the stream has files or links.
    ///
    /// # Errors
    /// If more than [`Options::max_delete`] would be deleted. Without this limit: if no file would be left, or if the records are
    /// from another root and share no name with this one, as with an unmounted disk or the wrong folder.
    pub fn check(self, made: bool, is_other_root: bool, options: &Options) -> Result<()> {
        let Extent { there, deleted, shared } = self;
        if deleted == 0 {
            return Ok(());
        }
        let files = counted(deleted, "file");
        let refused = |why: &str| Err(Error::rule(Refusal::DeletesTooMany { deleted }, format!("nothing is restored: {why}")));
        match options.max_delete {
            Some(MaxDelete::Count(most)) if deleted > most => refused(&format!("{files} would be deleted, more than {most}")),
            Some(MaxDelete::Percent(most)) if deleted as f64 > there as f64 * most / 100.0 => {
                refused(&format!("{deleted} of {} would be deleted, more than {most}%", counted(there, "file")))
            }
            Some(_) => Ok(()),
            None if deleted >= there && !made => refused(&format!("all that is there would be deleted: {files}")),
            None if is_other_root && shared == 0 => {
                refused(&format!("the records are of another folder and name nothing that is here; {files} would be deleted"))
            }
            None => Ok(()),
        }
    }
}

/// Returns the end record for the records after a restore.
pub fn after(end: &End, came: Listing, rows: bool, delete: bool, root: String) -> End {
    let end = end.clone().compared_with(came);
    // Rows name only what changed. And without deleting, there can be files without a record.
    let is_all = delete && !rows;
    End {
        filtered: end.filtered || !is_all,
        rules: end.rules.filter(|_| is_all),
        diff: false,
        sides: None,
        restored: true,
        // They are files of this folder now.
        put: false,
        root: Some(root),
        ..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_a_share() {
        assert_eq!("10".parse(), Ok(MaxDelete::Count(10)));
        assert_eq!("2.5%".parse(), Ok(MaxDelete::Percent(2.5)));
        for bad in ["", "%", "-1", "101%", "x", "NaN%", "1e3"] {
            assert!(bad.parse::<MaxDelete>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_would_leave_nothing_or_belongs_elsewhere_needs_a_limit() {
        let extent = |there, deleted, shared| Extent { there, deleted, shared };
        let unlimited = Options::default();
        assert!(extent(3, 3, 0).check(false, false, &unlimited).is_err(), "nothing would be left");
        assert!(extent(3, 3, 1).check(true, false, &unlimited).is_ok(), "others take their place");
        assert!(extent(3, 2, 0).check(true, true, &unlimited).is_err(), "the wrong folder");
        assert!(extent(3, 2, 1).check(true, true, &unlimited).is_ok());
        assert!(extent(0, 0, 0).check(false, true, &unlimited).is_ok());
        let limited = |most: &str| Options { max_delete: Some(most.parse().unwrap()), ..Options::default() };
        assert!(extent(10, 3, 0).check(false, true, &limited("3")).is_ok());
        assert!(extent(10, 3, 7).check(true, false, &limited("2")).is_err());
        assert!(extent(10, 3, 7).check(true, false, &limited("30%")).is_ok());
        assert!(extent(10, 3, 7).check(true, false, &limited("29%")).is_err());
        assert!(extent(10, 10, 0).check(false, true, &limited("100%")).is_ok());
    }
}

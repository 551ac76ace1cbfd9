//! Records by unit, in pieces of a fixed size: a piece that has changed is written anew, the others
//! are not, and none is ever moved for want of room.

use crate::flags::exposures::codec::Damaged;
use hashbrown::HashTable;

/// Records of a piece.
pub(super) const PIECE: usize = 4_096;

/// A record of a fixed number of bytes that belongs to a unit.
pub(super) trait Record: Copy {
    const BYTES: usize;
    fn unit(&self) -> u64;
    fn write(&self, bytes: &mut Vec<u8>);
    /// `bytes` are [`Self::BYTES`].
    fn read(bytes: &[u8]) -> Self;
}

#[derive(Debug)]
struct Piece<T> {
    records: Vec<T>,
    is_dirty: bool,
}

/// Records in the order in which they were added, and where those of a unit are.
#[derive(Debug)]
pub(super) struct Table<T> {
    pieces: Vec<Piece<T>>,
    /// Units are random already, so that each is its own hash.
    places: HashTable<u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { pieces: Vec::new(), places: HashTable::new() }
    }
}

/// The record at a place that the table has.
fn at<T: Record>(pieces: &[Piece<T>], place: u32) -> &T {
    &pieces[place as usize / PIECE].records[place as usize % PIECE]
}

impl<T: Record> Table<T> {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The places of the records of a unit.
    pub(super) fn places(&self, unit: u64) -> impl Iterator<Item = u32> + '_ {
        let is_of_unit = move |place: &u32| at(&self.pieces, *place).unit() == unit;
        self.places.iter_hash(unit).copied().filter(is_of_unit)
    }

    /// The records of a unit.
    pub(super) fn of(&self, unit: u64) -> impl Iterator<Item = &T> + '_ {
        self.places(unit).map(|place| at(&self.pieces, place))
    }

    pub(super) fn get(&self, place: u32) -> &T {
        at(&self.pieces, place)
    }

    /// All records, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> + '_ {
        self.pieces.iter().flat_map(|piece| &piece.records)
    }

    /// Writes a record anew. Its unit stays.
    pub(super) fn set(&mut self, place: u32, record: T) {
        let piece = &mut self.pieces[place as usize / PIECE];
        piece.records[place as usize % PIECE] = record;
        piece.is_dirty = true;
    }

    /// Adds a record, and tells its place.
    pub(super) fn push(&mut self, record: T) -> u32 {
        let place = self.places.len() as u32;
        if self.pieces.last().is_none_or(|piece| piece.records.len() == PIECE) {
            self.pieces.push(Piece { records: Vec::new(), is_dirty: true });
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.records.push(record);
            piece.is_dirty = true;
        }
        let Self { pieces, places } = self;
        places.insert_unique(record.unit(), place, |place| at(pieces, *place).unit());
        place
    }

    /// Takes all away that are not wanted. What stays keeps its order.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&T) -> bool) {
        let old = std::mem::take(self);
        let kept = old.pieces.into_iter().flat_map(|piece| piece.records).filter(is_wanted);
        for record in kept {
            self.push(record);
        }
    }

    /// The numbers and bytes of the pieces that have changed since they were last taken, and how
    /// many pieces there are.
    pub(super) fn take_dirty(&mut self) -> (Vec<(usize, Vec<u8>)>, usize) {
        let mut dirty = Vec::new();
        for (number, piece) in self.pieces.iter_mut().enumerate() {
            if std::mem::take(&mut piece.is_dirty) {
                let mut bytes = Vec::with_capacity(piece.records.len() * T::BYTES);
                piece.records.iter().for_each(|record| record.write(&mut bytes));
                dirty.push((number, bytes));
            }
        }
        (dirty, self.pieces.len())
    }

    /// All pieces count as changed.
    pub(super) fn soil(&mut self) {
        self.pieces.iter_mut().for_each(|piece| piece.is_dirty = true);
    }

    /// Adds the next piece as it was written.
    pub(super) fn read_piece(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let is_odd = !bytes.len().is_multiple_of(T::BYTES) || bytes.len() / T::BYTES > PIECE;
        let follows_whole = self.len().is_multiple_of(PIECE);
        if is_odd || bytes.is_empty() || !follows_whole {
            return Err(Damaged("a piece of units has a wrong length"));
        }
        for record in bytes.chunks_exact(T::BYTES) {
            self.push(T::read(record));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.is_dirty = false;
        }
        Ok(())
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        let records: usize = self.pieces.iter().map(|piece| piece.records.capacity()).sum();
        records * size_of::<T>() + self.places.allocation_size()
    }
}

//! Task classes and their numbers: all of them in memory, because every task's row is written and read through them.

use std::{collections::HashMap, sync::Arc};

use hierophant_domain::TaskClass;
use rusqlite::Connection;

use super::{db, totals::ClassId};
use crate::Result;

/// Most classes. Labels and toolchains come from clients, so their number has to end somewhere.
pub(super) const CLASSES_MAX: usize = 10_000;

/// The committed classes.
#[derive(Debug, Default)]
pub(super) struct Classes {
    by_id: HashMap<ClassId, Arc<TaskClass>>,
    by_class: HashMap<Arc<TaskClass>, ClassId>,
}

impl Classes {
    /// Reads all of them.
    pub(super) fn load(connection: &Connection) -> Result<Self> {
        let rows = db::all(connection, "SELECT id, key FROM classes", [], |row| {
            let (id, key): (ClassId, String) = (row.get(0)?, row.get(1)?);
            let class = TaskClass::parse(&key).ok_or_else(|| db::corrupt(format_args!("the class {key:?}")))?;
            Ok((id, class))
        })?;
        let mut classes = Self::default();
        for (id, class) in rows {
            classes.add(id, Arc::new(class));
        }
        Ok(classes)
    }

    /// Takes a committed class.
    pub(super) fn add(&mut self, id: ClassId, class: Arc<TaskClass>) {
        self.by_id.insert(id, Arc::clone(&class));
        self.by_class.insert(class, id);
    }

    /// The class with a number.
    pub(super) fn class(&self, id: ClassId) -> Option<Arc<TaskClass>> {
        self.by_id.get(&id).cloned()
    }

    /// The number of a class.
    pub(super) fn id(&self, class: &TaskClass) -> Option<ClassId> {
        self.by_class.get(class).copied()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
}

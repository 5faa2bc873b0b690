//! Rows of workers: registration, presence, standing and good work.

use hierophant_domain::{
    Attempt, Timestamp, WorkerId,
    worker::{Liveness, Standing, Strike, WorkerProfile},
};
use rusqlite::{Connection, Row};

use super::{attempts, batch::Batch, db, rows, totals::Change};
use crate::{Hint, PAGE_MAX, Presence, Result, StoreError, WorkerRow};

/// Reasons of strikes that are kept.
const STRIKE_REASONS_MAX: usize = 8;

const SELECT: &str = "SELECT id, profile, presence, strikes, quarantined_until, strike_reasons, first_seen, connected_at, \
     last_seen, gone_reason, proofs, proving_ms FROM workers WHERE id = ?1";
const SELECT_HERE: &str = "SELECT id, profile, presence, strikes, quarantined_until, strike_reasons, first_seen, \
     connected_at, last_seen, gone_reason, proofs, proving_ms FROM workers WHERE presence IN (0, 1) \
     ORDER BY last_seen DESC, id LIMIT ?1 OFFSET ?2";
const SELECT_GONE: &str = "SELECT id, profile, presence, strikes, quarantined_until, strike_reasons, first_seen, \
     connected_at, last_seen, gone_reason, proofs, proving_ms FROM workers WHERE presence = 2 \
     ORDER BY last_seen DESC, id LIMIT ?1 OFFSET ?2";

fn code(presence: Presence) -> u8 {
    match presence {
        Presence::Here => 0,
        Presence::Cut => 1,
        Presence::Gone => 2,
    }
}

/// Reads a row, without the worker's leases.
fn read(row: &Row<'_>) -> Result<WorkerRow> {
    let liveness = match row.get::<_, u8>(2)? {
        0 => Liveness::Alive,
        1 => Liveness::Stale,
        2 => Liveness::Gone,
        code => return Err(db::corrupt(format_args!("the presence {code}"))),
    };
    let profile: WorkerProfile = rows::json(row, 1)?;
    Ok(WorkerRow {
        profile,
        liveness,
        standing: Standing {
            strikes: row.get(3)?,
            quarantined_until: rows::maybe_time(row, 4)?,
        },
        strike_reasons: rows::json(row, 5)?,
        first_seen: rows::time(row, 6)?,
        connected_at: rows::time(row, 7)?,
        last_seen: rows::time(row, 8)?,
        gone_reason: row.get(9)?,
        proofs: rows::unsigned(row, 10)?,
        proving_ms_total: rows::unsigned(row, 11)?,
        leases: Vec::new(),
    })
}

fn load(connection: &Connection, id: WorkerId) -> Result<Option<WorkerRow>> {
    let Some(mut row) = db::one(connection, SELECT, [id.as_bytes()], read)? else {
        return Ok(None);
    };
    row.leases = attempts::of_worker(connection, id)?;
    Ok(Some(row))
}

/// Until when a worker is quarantined, which verified results do not change; `None` for an unknown worker.
pub(super) fn standing(connection: &Connection, id: WorkerId) -> Result<Option<Standing>> {
    let sql = "SELECT strikes, quarantined_until FROM workers WHERE id = ?1";
    db::one(connection, sql, [id.as_bytes()], |row| {
        Ok(Standing {
            strikes: row.get(0)?,
            quarantined_until: rows::maybe_time(row, 1)?,
        })
    })
}

/// See [`crate::Store::register_worker`].
pub(super) fn register(batch: &mut Batch<'_>, profile: &WorkerProfile) -> Result<WorkerRow> {
    let (id, now) = (profile.id, batch.now);
    batch.settle_accounts()?;
    let known = load(batch.connection, id)?;
    if let Some(row) = &known
        && let Some(until) = row.standing.quarantined_until.filter(|_| !row.standing.is_trusted(now))
    {
        return Err(StoreError::Refused(quarantine(row, now, until)));
    }
    if known.is_none() {
        let workers: u64 = batch
            .connection
            .query_row("SELECT count(*) FROM workers", [], rows_count)?;
        let limit = batch.shared.options.max_workers;
        if workers >= limit {
            return Err(StoreError::Full(format!(
                "{limit} workers are known, which is the limit"
            )));
        }
    }
    batch.write_one(
        "INSERT INTO workers (id, name, address, profile, presence, first_seen, connected_at, last_seen) \
         VALUES (?1, ?2, ?3, ?4, 0, ?5, ?5, ?5) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, address = excluded.address, profile = excluded.profile, \
         presence = 0, connected_at = excluded.connected_at, last_seen = excluded.last_seen, gone_reason = NULL",
        (
            id.as_bytes(),
            &profile.name,
            &profile.address,
            serde_json::to_string(profile)?,
            now.0,
        ),
    )?;
    batch.hint(Hint::WorkerChanged(id));
    load(batch.connection, id)?.ok_or_else(|| db::corrupt("a worker that was just written"))
}

/// See [`crate::Store::update_worker`].
pub(super) fn update(batch: &mut Batch<'_>, profile: &WorkerProfile) -> Result<()> {
    let updated = batch.write(
        "UPDATE workers SET name = ?2, address = ?3, profile = ?4, last_seen = ?5 WHERE id = ?1",
        (
            profile.id.as_bytes(),
            &profile.name,
            &profile.address,
            serde_json::to_string(profile)?,
            batch.now.0,
        ),
    )?;
    if updated == 0 {
        return Err(StoreError::NotFound(format!("no worker {} is registered", profile.id)));
    }
    Ok(())
}

fn rows_count(row: &Row<'_>) -> rusqlite::Result<u64> {
    row.get::<_, i64>(0).map(i64::cast_unsigned)
}

fn quarantine(row: &WorkerRow, now: Timestamp, until: Timestamp) -> String {
    let last = row
        .strike_reasons
        .first()
        .map_or("no reason was noted", |(_, reason)| reason);
    format!(
        "this worker is quarantined for another {} s (until Unix time {}); the last strike: {last}",
        until.since(now).0.saturating_add(999) / 1000,
        until.unix_seconds()
    )
}

/// See [`crate::Store::worker_presence`].
pub(super) fn presence(batch: &mut Batch<'_>, id: WorkerId, presence: Presence, reason: &str) -> Result<()> {
    let sql = "SELECT presence FROM workers WHERE id = ?1";
    let Some(before) = db::one(batch.connection, sql, [id.as_bytes()], |row| Ok(row.get::<_, u8>(0)?))? else {
        return Err(StoreError::NotFound(format!("no worker {id} is registered")));
    };
    let now = batch.now.0;
    match presence {
        Presence::Here => batch.write_one(
            "UPDATE workers SET presence = 0, last_seen = ?2, gone_reason = NULL WHERE id = ?1",
            (id.as_bytes(), now),
        )?,
        Presence::Cut => {
            batch.write_one(
                "UPDATE workers SET presence = 1, gone_reason = ?2 WHERE id = ?1",
                (id.as_bytes(), reason),
            )?;
        }
        Presence::Gone => {
            batch.write_one(
                "UPDATE workers SET presence = 2, gone_reason = ?2 WHERE id = ?1",
                (id.as_bytes(), reason),
            )?;
        }
    }
    if before != code(presence) {
        batch.hint(Hint::WorkerChanged(id));
    }
    Ok(())
}

/// Notes that a worker was heard of.
pub(super) fn seen(batch: &mut Batch<'_>, id: WorkerId) -> Result<()> {
    batch.write(
        "UPDATE workers SET last_seen = ?2 WHERE id = ?1 AND last_seen < ?2",
        (id.as_bytes(), batch.now.0),
    )?;
    Ok(())
}

/// See [`crate::Store::strike`].
pub(super) fn strike(batch: &mut Batch<'_>, id: WorkerId, strike: Strike) -> Result<Option<WorkerRow>> {
    batch.settle_accounts()?;
    let Some(mut row) = load(batch.connection, id)? else {
        return Ok(None);
    };
    row.standing = row.standing.strike(batch.now, &batch.shared.options.strikes);
    row.strike_reasons.insert(0, (batch.now, strike.reason));
    row.strike_reasons.truncate(STRIKE_REASONS_MAX);
    batch.write_one(
        "UPDATE workers SET strikes = ?2, quarantined_until = ?3, strike_reasons = ?4 WHERE id = ?1",
        (
            id.as_bytes(),
            row.standing.strikes,
            row.standing.quarantined_until.map(|at| at.0),
            serde_json::to_string(&row.strike_reasons)?,
        ),
    )?;
    batch.changed(Change::Strike(strike.offence));
    batch.hint(Hint::WorkerChanged(id));
    Ok(Some(row))
}

/// What a batch has to write about one worker's verified results, and the worker as history names it.
#[derive(Debug)]
pub(super) struct GoodWork {
    name: String,
    address: String,
    standing: Standing,
    proofs: i64,
    proving_ms: i64,
}

/// Counts a verified result for its worker, and writes the line of history.
pub(super) fn good_work(batch: &mut Batch<'_>, attempt: &Attempt, delivered_at: Timestamp) -> Result<()> {
    let mut work = match batch.good_work.remove(&attempt.worker) {
        Some(work) => work,
        None => begin_good_work(batch.connection, attempt.worker)?,
    };
    work.standing = work.standing.good_work();
    work.proofs += 1;
    work.proving_ms = work.proving_ms.saturating_add(delivered_at.since(attempt.leased_at).0);
    batch.write_one(
        "INSERT INTO history (ended_at, request, worker, worker_name, worker_address, leased_at, delivered_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            attempt.ended_at.unwrap_or(batch.now).0,
            attempt.request.as_bytes(),
            attempt.worker.as_bytes(),
            &work.name,
            &work.address,
            attempt.leased_at.0,
            delivered_at.0,
        ),
    )?;
    batch.good_work.insert(attempt.worker, work);
    Ok(())
}

fn begin_good_work(connection: &Connection, worker: WorkerId) -> Result<GoodWork> {
    let sql = "SELECT name, address, strikes, quarantined_until FROM workers WHERE id = ?1";
    let found = db::one(connection, sql, [worker.as_bytes()], |row| {
        let standing = Standing {
            strikes: row.get(2)?,
            quarantined_until: rows::maybe_time(row, 3)?,
        };
        Ok(GoodWork {
            name: row.get(0)?,
            address: row.get(1)?,
            standing,
            proofs: 0,
            proving_ms: 0,
        })
    })?;
    found.ok_or_else(|| db::corrupt(format_args!("no worker {worker}, which had a lease")))
}

/// Writes what was gathered of verified results.
pub(super) fn write_good_work(batch: &mut Batch<'_>) -> Result<()> {
    for (worker, work) in std::mem::take(&mut batch.good_work) {
        batch.write_one(
            "UPDATE workers SET strikes = ?2, proofs = proofs + ?3, proving_ms = proving_ms + ?4 WHERE id = ?1",
            (worker.as_bytes(), work.standing.strikes, work.proofs, work.proving_ms),
        )?;
    }
    Ok(())
}

/// See [`crate::Store::workers`].
pub(super) fn list(connection: &Connection, gone: bool, offset: usize, limit: usize) -> Result<Vec<WorkerRow>> {
    let sql = if gone { SELECT_GONE } else { SELECT_HERE };
    let page = (db::count(limit.min(PAGE_MAX)), db::count(offset));
    let mut found = db::all(connection, sql, page, read)?;
    for row in &mut found {
        row.leases = attempts::of_worker(connection, row.profile.id)?;
    }
    Ok(found)
}

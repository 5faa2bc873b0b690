//! Pages of requests and of history.

use std::sync::Arc;

use hierophant_domain::{Request, RequestId, RequestState, Timestamp, WorkerId};
use rusqlite::{Connection, types::Value};

use super::{db, keys, requests, rows};
use crate::{HistoryRow, PAGE_MAX, RequestFilter, Result};

/// A query under construction: each condition with its value.
struct Query {
    sql: String,
    values: Vec<Value>,
}

impl Query {
    /// Adds a condition that is written in this file.
    fn and(&mut self, condition: &str, value: impl Into<Value>) {
        let word = self.word();
        self.values.push(value.into());
        self.push(&format!(" {word} {condition} ?{}", self.values.len()));
    }

    fn word(&self) -> &'static str {
        if self.values.is_empty() { "WHERE" } else { "AND" }
    }

    fn push(&mut self, text: &str) {
        self.sql.push_str(text);
    }
}

/// See [`crate::Store::list_requests`]. By requester and by "open" it reads an index; other filters pass over what does not
/// match, from the newest on.
pub(super) fn requests(connection: &Connection, filter: &RequestFilter) -> Result<Vec<Arc<Request>>> {
    let from = if filter.requester.is_some() {
        requests::select_requests!(
            "FROM requests r INDEXED BY requests_by_requester CROSS JOIN request_terms t ON t.id = r.id"
        )
    } else if filter.states == [RequestState::Open] {
        requests::select_requests!("FROM requests r INDEXED BY requests_open CROSS JOIN request_terms t ON t.id = r.id")
    } else {
        requests::select_requests!("FROM requests r NOT INDEXED CROSS JOIN request_terms t ON t.id = r.id")
    };
    let mut query = Query {
        sql: from.to_owned(),
        values: Vec::new(),
    };
    if let Some(requester) = &filter.requester {
        query.and("r.requester =", keys::requester(requester).to_vec());
    }
    if let Some(door) = &filter.door {
        query.and("t.door =", door.as_str().to_owned());
    }
    if let Some(program) = &filter.program {
        query.and("t.program_id =", program.clone());
    }
    if let Some(kind) = &filter.kind {
        query.and("t.kind =", kind.as_str().to_owned());
    }
    if let Some(toolchain) = &filter.toolchain {
        query.and("t.toolchain =", toolchain.as_str().to_owned());
    }
    if let Some(from) = filter.accepted_from {
        query.and("r.accepted_at >=", from.0);
    }
    if let Some(to) = filter.accepted_to {
        query.and("r.accepted_at <", to.0);
    }
    if let Some(from) = filter.deadline_from {
        query.and("r.deadline >=", from.0);
    }
    finish(&mut query, filter);
    let mut statement = connection.prepare_cached(&query.sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(query.values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Arc::new(requests::read(row)?));
    }
    Ok(found)
}

/// States as literals, since an index of open rows only serves a condition that says so; order and page.
fn finish(query: &mut Query, filter: &RequestFilter) {
    let codes: Vec<_> = filter.states.iter().map(|state| state.code().to_string()).collect();
    let word = query.word();
    match codes.as_slice() {
        [] => {}
        [one] => query.push(&format!(" {word} r.state = {one}")),
        many => query.push(&format!(" {word} r.state IN ({})", many.join(", "))),
    }
    let (limit, offset) = (filter.limit.min(PAGE_MAX), db::count(filter.offset));
    query.push(&format!(" ORDER BY r.id DESC LIMIT {limit} OFFSET {offset}"));
}

/// See [`crate::Store::history`].
pub(super) fn history(connection: &Connection, before: Option<Timestamp>, limit: usize) -> Result<Vec<HistoryRow>> {
    let sql = "SELECT request, worker, worker_name, worker_address, leased_at, delivered_at FROM history \
         WHERE ended_at < ?1 ORDER BY ended_at DESC, request DESC LIMIT ?2";
    let before = before.map_or(i64::MAX, |before| before.0);
    db::all(connection, sql, (before, db::count(limit.min(PAGE_MAX))), |row| {
        let id = RequestId(rows::uuid(row, 0)?);
        let request = requests::load(connection, id)?
            .ok_or_else(|| db::corrupt(format_args!("no request {id}, which history names")))?;
        Ok(HistoryRow {
            request: Arc::new(request),
            worker: WorkerId(rows::uuid(row, 1)?),
            worker_name: row.get(2)?,
            worker_address: row.get(3)?,
            leased_at: rows::time(row, 4)?,
            delivered_at: rows::time(row, 5)?,
        })
    })
}

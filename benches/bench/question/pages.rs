//! Pages of a million messages: the first one, and one far back.

use std::time::Instant;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{
    process::Place,
    report::{Report, Table, median},
    server::{Backend, Node, database},
};

const MESSAGES: i64 = 1_000_000;
const PAGE: i64 = 20;
const FAR: i64 = 10_000;

/// Times that each page is read.
const READINGS: usize = 300;

pub async fn ask(backend: &Backend, report: &mut Report) {
    let database = database(backend).await;
    let node = Node::start(backend, &database, Place::Server, &[]).await;
    let mut session = PgConnection::connect(&database).await.unwrap();
    fill(&mut session).await;
    let before = (FAR - 1) * PAGE;
    let place = format!(
        "select to_char(created_date at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')
         from messages order by created_date desc, id desc offset {} limit 1",
        before - 1
    );
    let cursor: String = sqlx::query_scalar(AssertSqlSafe(place)).fetch_one(&mut session).await.unwrap();
    let url = format!("http://{}/message?limit={PAGE}", node.address);
    let rows = vec![
        vec!["`GET /message`".to_owned(), over_http(&url).await, over_http(&format!("{url}&cursor={cursor}")).await],
        vec![
            "the same page in SQL, by keyset".to_owned(),
            in_sql(&mut session, &format!("order by created_date desc, id desc limit {PAGE}")).await,
            in_sql(
                &mut session,
                &format!("where created_date < '{cursor}' order by created_date desc, id desc limit {PAGE}"),
            )
            .await,
        ],
        vec![
            "the same page in SQL, by OFFSET".to_owned(),
            in_sql(&mut session, &format!("order by created_date desc, id desc limit {PAGE}")).await,
            in_sql(&mut session, &format!("order by created_date desc, id desc offset {before} limit {PAGE}")).await,
        ],
    ];
    report.add(Table {
        name: "pages",
        question: format!("A page of {PAGE} out of {MESSAGES} messages"),
        columns: vec![String::new(), "page 1, ms".to_owned(), format!("page {FAR}, ms")],
        rows,
        notes: Vec::new(),
    });
}

/// Writes the messages past the triggers: how they came does not matter here.
async fn fill(session: &mut PgConnection) {
    let insert = format!(
        "insert into messages (content, sender_id, created_date)
         select repeat('x', 200), '6f1c7a52-6d0f-4a42-93a1-0c7f4b2b7a10', now() - number * interval '1 second'
         from generate_series(1, {MESSAGES}) number"
    );
    for statement in ["set session_replication_role = replica", &insert, "vacuum analyze messages"] {
        session.execute(AssertSqlSafe(statement)).await.unwrap();
    }
}

async fn over_http(url: &str) -> String {
    let client = reqwest::Client::new();
    let mut millis = Vec::new();
    for _ in 0..READINGS {
        let begun = Instant::now();
        let page: serde_json::Value = client.get(url).send().await.unwrap().json().await.unwrap();
        millis.push(begun.elapsed().as_secs_f64() * 1000.0);
        assert_eq!(page["messages"].as_array().unwrap().len() as i64, PAGE);
    }
    format!("{:.2}", median(millis))
}

async fn in_sql(session: &mut PgConnection, rest: &str) -> String {
    let query = format!(
        "select id, room, content, file, created_date, updated_date, sender_id, session_id from messages {rest}"
    );
    let mut millis = Vec::new();
    for _ in 0..READINGS / 10 {
        let begun = Instant::now();
        let rows = sqlx::query(AssertSqlSafe(query.as_str())).fetch_all(&mut *session).await.unwrap();
        millis.push(begun.elapsed().as_secs_f64() * 1000.0);
        assert_eq!(rows.len() as i64, PAGE);
    }
    format!("{:.2}", median(millis))
}

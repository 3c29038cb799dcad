//! The link with currencies through the real programs (contract 4): who follows it and lands on the
//! registration page is one click of that day, whose query is the link's.
use std::sync::Arc;

use serde_json::json;

use crate::{
    harness::{Bed, http, on_every_database},
    registration::{self, CODE},
};

on_every_database!(who_lands_on_the_registration_page_is_counted_once);

async fn who_lands_on_the_registration_page_is_counted_once(bed: Arc<Bed>) {
    let (mut ingress, workers) = registration::house(&bed).await;
    let get = async |path: &str, agent: &str| {
        let request = http::client().get(ingress.program.url(path)).header("user-agent", agent);
        request.send().await.unwrap()
    };
    let query = "cur_from=PMUSD&cur_to=BTC&utm=x%20y";
    for agent in ["Firefox", "Googlebot/2.1 (+http://www.google.com/bot.html)"] {
        let answer = get(&format!("/ref/{CODE}/?{query}"), agent).await;
        assert_eq!(answer.status(), 302);
        let landed = answer.headers()["location"].to_str().unwrap().to_owned();
        for what in ["landed", "reloaded"] {
            assert_eq!(get(&landed, agent).await.status(), 200, "{what}");
        }
    }
    ingress.spool_is_empty(crate::harness::PATIENCE).await;
    let records = {
        // Everything is done before anything is looked at.
        bed.drain(workers).await;
        ingress.get(&format!("/v1/referral?code={CODE}")).await.1
    };
    assert_eq!((&records["total"], &records["items"][0]["clicks"]), (&json!(1), &json!(1)));
    const CLICKS: &str = "SELECT bot, query_string FROM click ORDER BY bot";
    let rows = bed.store.all(CLICKS, None, Vec::new()).await.unwrap();
    let told: Vec<(bool, String)> =
        rows.iter().map(|r| (r.truth("bot").unwrap(), r.text("query_string").unwrap())).collect();
    assert_eq!(told, [(false, query.to_owned()), (true, query.to_owned())]);
    ingress.program.stop().await;
}

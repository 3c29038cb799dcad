//! Traces over OTLP: one trace from the HTTP request or the publisher's `traceparent` (contract 1:
//! "carried through to the webhook") through broker and worker to billing; and a collector that is
//! away or stands still changes nothing.
use std::sync::Arc;

use referral::broker::Outgoing;
use serde_json::{Value, json};

use crate::{
    harness::{
        Bed, Collector, Database, Exported, Ingress, PATIENCE, Plan, Program, Receiver, Tenant,
        bed::run, eventually, http, messages::SINGLE, messages::single, program::free_address,
    },
    model::fact::{Fact, Signup, payment, signup},
    sites, trial,
};

const CODE: &str = "b4b9e071006f409d8e6d";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const OTHER: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "b7ad6b7169203331";
const ATTEMPT: &str = "referral.attempt";
const STATUS: &str = "http.response.status_code";
const STATE: &str = "vendor=canary";

fn parent(trace: &str, flags: &str) -> String {
    format!("00-{trace}-{CALLER}-{flags}")
}

#[test]
fn a_click_is_one_trace_from_the_request_to_the_record() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let collector = Collector::start().await;
        let (ingress, _worker) = house(&bed, |plan| collector.of(plan)).await;
        click(&ingress, Some(&parent(TRACE, "01"))).await;

        let request = collector.one(TRACE, "GET /register").await;
        assert_eq!((request.parent(), request.kind()), (CALLER, 2));
        assert_eq!(request.service, "ingress");
        assert_eq!(request.attribute("http.request.method"), "GET");
        assert_eq!(request.attribute("http.route"), "/register");
        assert_eq!(request.attribute(STATUS), "303");

        let publish = collector.one(TRACE, "referral.events publish").await;
        assert_eq!((publish.parent(), publish.kind()), (request.id(), 4));
        assert_eq!(publish.attribute("messaging.system"), "rabbitmq");
        assert_eq!(publish.attribute("messaging.destination.name"), "referral.events");
        assert_eq!(publish.attribute("messaging.rabbitmq.destination.routing_key"), "click");
        assert!(!publish.has_failed());

        let process = collector.one(TRACE, "process referral.click.v1").await;
        assert_eq!((process.parent(), process.kind()), (publish.id(), 5));
        assert_eq!(process.service, "daily-records");
        assert!(!process.has_failed());
        let id = publish.attribute("messaging.message.id");
        assert!(!id.is_empty());
        assert_eq!(process.attribute("messaging.message.id"), id);

        // The batch is no part of any event's trace; it and its events know each other by links.
        let is_batch = |span: &Exported| span.name() == "process referral.daily-records";
        let batch = collector.some("the batch", 1, is_batch).await.remove(0);
        assert!(batch.parent().is_empty() && batch.trace() != TRACE);
        assert_eq!(batch.attribute("messaging.batch.message_count"), "1");
        assert_eq!(batch.links(), [publish.id()]);
        assert_eq!(process.links(), [batch.id()]);

        // What a trace is no place for.
        for call in collector.requests().calls() {
            for secret in [CODE, ingress.key(), "canary-agent", "canary-query", "127.0.0.1"] {
                assert!(!call.body.contains(secret), "{secret} in {}", call.body);
            }
        }
    });
}

#[test]
fn a_payment_is_one_trace_from_its_publisher_to_billing() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let collector = Collector::start().await;
        let receiver = Receiver::start().await;
        receiver.answer(500);
        let _credits = bed.start_planned(collector.of(bed.plan("credits"))).await;
        let billing = trial::billing(&bed, &receiver.endpoint());
        let _billing = bed.start_planned(collector.of(billing)).await;
        let mut tenant = Tenant::create(&bed, "UTC").await;
        // Nothing for a signup: one delivery.
        tenant.programme(&bed, "Default", 0, 2500).await;
        let referred = Signup { user_indicator: Some("alice".to_owned()), ..Signup::default() };
        for fact in [signup("alice", Signup::default()), signup("bob", referred)] {
            bed.publish(vec![single(&fact, &tenant.name)]).await;
        }
        // Else it is the signup that reaches the target, and the trace is the signup's.
        eventually("Bob is known", PATIENCE, async || {
            let known = sites::rows(&bed, "account WHERE user_hash = 'bob'").await;
            if known == 1 { Ok(()) } else { Err(known.to_string()) }
        })
        .await;
        bed.publish(vec![traced(&payment("bob", 2500), &tenant.name, "01")]).await;

        let is_post = |span: &Exported| span.trace() == TRACE && span.name() == "POST";
        let has_failed = |span: &Exported| is_post(span) && span.attribute(ATTEMPT) == "1";
        collector.some("a first attempt", 1, has_failed).await;
        receiver.answer(204);
        let is_taken = |span: &Exported| is_post(span) && span.attribute(STATUS) == "204";
        collector.some("the last attempt", 1, is_taken).await;
        let posts: Vec<_> = collector.spans().into_iter().filter(is_post).collect();

        let process = collector.one(TRACE, "process referral.payment.v1").await;
        assert_eq!((process.service.as_str(), process.parent()), ("credits", CALLER));
        let calls = receiver.calls();
        assert!(calls.len() > 1 && calls.len() == posts.len(), "{calls:?}");
        for (number, (post, call)) in (1..).zip(posts.iter().zip(&calls)) {
            assert_eq!((post.parent(), post.kind()), (process.id(), 3));
            assert_eq!(post.service, "billing");
            assert_eq!(post.attribute(ATTEMPT), number.to_string());
            let status = if number < posts.len() { "500" } else { "204" };
            assert_eq!(post.attribute(STATUS), status);
            assert_eq!(post.has_failed(), status == "500");
            // The receiver's own spans are children of this very attempt.
            assert_eq!(call.header("traceparent"), format!("00-{TRACE}-{}-01", post.id()));
            assert_eq!(call.header("tracestate"), STATE);
        }
        assert_ne!(posts[0].id(), posts[1].id());
    });
}

/// Contract 3: the event of a site is stored with the call, and published from there.
#[test]
fn a_call_that_registers_a_site_is_one_trace_with_what_becomes_of_it() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let collector = Collector::start().await;
        let _credits = bed.start_planned(collector.of(bed.plan("credits"))).await;
        let ingress = bed.start_planned(collector.of(bed.plan("ingress"))).await;
        let partner = sites::partner(&bed).await;
        let form =
            format!("{partner}&host=a.example.com&email=fay@example.com&password=blue+orchid");
        let request = sites::request(&ingress, &form).header("traceparent", parent(TRACE, "01"));
        sites::answer(request).await.unwrap();

        let call = collector.one(TRACE, "POST /partnerapi.php").await;
        let publish = collector.one(TRACE, "referral.events publish").await;
        let process = collector.one(TRACE, "process referral.signup.v1").await;
        assert_eq!(call.parent(), CALLER);
        assert_eq!((publish.parent(), process.parent()), (call.id(), call.id()));
        let id = publish.attribute("messaging.message.id");
        assert_eq!(process.attribute("messaging.message.id"), id);
    });
}

/// "A caller's decision is followed"; what begins here is sampled as `OTEL_TRACES_SAMPLER_ARG` says.
#[test]
fn what_is_not_sampled_has_no_spans() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let collector = Collector::start().await;
        let never = |plan: Plan| collector.of(plan).set("OTEL_TRACES_SAMPLER_ARG", "0");
        let (ingress, _worker) = house(&bed, never).await;
        click(&ingress, Some(&parent(OTHER, "00"))).await;
        click(&ingress, None).await;
        click(&ingress, Some("no traceparent")).await;
        has_clicks(&ingress, 3).await;
        // What comes last leaves last: then the others' spans would be there.
        click(&ingress, Some(&parent(TRACE, "01"))).await;
        for name in ["GET /register", "referral.events publish", "process referral.click.v1"] {
            collector.one(TRACE, name).await;
        }
        let others = |span: &Exported| span.trace() != TRACE && !span.name().ends_with("records");
        let others: Vec<_> = collector.spans().into_iter().filter(others).collect();
        assert!(others.is_empty(), "{others:?}");
    });
}

/// A trace that begins here has the request as its root.
#[test]
fn a_request_without_traceparent_begins_a_trace() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let collector = Collector::start().await;
        let (ingress, _worker) = house(&bed, |plan| collector.of(plan)).await;
        click(&ingress, None).await;
        let is_request = |span: &Exported| span.name() == "GET /register";
        let request = collector.some("the request", 1, is_request).await.remove(0);
        assert!(request.parent().is_empty());
        let publish = collector.one(request.trace(), "referral.events publish").await;
        assert_eq!(publish.parent(), request.id());
        let process = collector.one(request.trace(), "process referral.click.v1").await;
        assert_eq!(process.parent(), publish.id());
    });
}

/// By default as protobuf, with the headers that it was given; what is left goes at the stop.
#[test]
fn the_last_spans_leave_at_the_stop() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let collector = Collector::start().await;
        let plan = bed
            .plan("ingress")
            .set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())
            .set("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20canary")
            .set("OTEL_BSP_SCHEDULE_DELAY", "3600000");
        let mut ingress = bed.start_planned(plan).await;
        let url = ingress.url("/v1/openapi.json");
        let answer = http::client().get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(collector.requests().calls().is_empty());
        ingress.stop().await;
        let calls = collector.requests().calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert_eq!((calls[0].method.as_str(), calls[0].path.as_str()), ("POST", "/v1/traces"));
        assert_eq!(calls[0].header("content-type"), "application/x-protobuf");
        assert_eq!(calls[0].header("authorization"), "Bearer canary");
        assert!(calls[0].body.contains("GET /v1/openapi.json"));
        let log = std::fs::read_to_string(ingress.log()).unwrap();
        assert!(!log.contains("canary"), "{log}");
    });
}

/// "Never delays or fails a request, a batch or the stop"; the log says it once.
#[test]
fn a_collector_that_is_away_changes_nothing() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let programs = clicks_are_counted(&bed, &free_address()).await;
        for program in &programs {
            told(program).await;
        }
        stop(programs).await;
    });
}

/// The same of one that takes connections and answers nothing.
#[test]
fn a_collector_that_stands_still_changes_nothing() {
    run(Database::Sqlite, async |bed: Arc<Bed>| {
        let still = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = still.local_addr().unwrap().to_string();
        let programs = clicks_are_counted(&bed, &address).await;
        stop(programs).await;
    });
}

async fn clicks_are_counted(bed: &Bed, collector: &str) -> [Program; 2] {
    let plan = |plan: Plan| {
        plan.set("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{collector}"))
            .set("OTEL_BSP_SCHEDULE_DELAY", "50")
            .set("SHUTDOWN_GRACE", "10s")
    };
    let (ingress, worker) = house(bed, plan).await;
    for _ in 0..20 {
        click(&ingress, Some(&parent(TRACE, "01"))).await;
    }
    has_clicks(&ingress, 20).await;
    [ingress.program, worker]
}

/// Within the grace: an exit after it is none with 0.
async fn stop(programs: [Program; 2]) {
    for mut program in programs {
        program.stop().await;
        let log = std::fs::read_to_string(program.log()).unwrap();
        let times = log.matches("traces cannot be exported").count();
        assert!(times <= 1, "{log}");
    }
}

async fn told(program: &Program) {
    eventually("the log says that nobody takes the traces", PATIENCE, async || {
        let log = std::fs::read_to_string(program.log()).unwrap();
        if log.contains("traces cannot be exported") { Ok(()) } else { Err(log) }
    })
    .await;
}

/// The ingress with a code, and the worker of clicks.
async fn house(bed: &Bed, plan: impl Fn(Plan) -> Plan) -> (Ingress, Program) {
    let worker = bed.start_planned(plan(bed.plan("daily-records"))).await;
    let ingress = bed.plan("ingress").set("REGISTER_URL", "https://example.com/join");
    let ingress = Ingress::of(bed, bed.start_planned(plan(ingress)).await).await;
    let path = format!("/v1/referral/{CODE}");
    let (status, made) = ingress.put(&path, json!({"email": "alice@example.com"})).await;
    assert_eq!(status, 201, "{made}");
    (ingress, worker)
}

async fn click(ingress: &Ingress, traceparent: Option<&str>) {
    let url = ingress.program.url(&format!("/register?ref_code={CODE}&x=canary-query"));
    let request = http::client().get(url).header("user-agent", "canary-agent");
    let request = match traceparent {
        Some(traceparent) => request.header("traceparent", traceparent),
        None => request,
    };
    assert_eq!(request.send().await.unwrap().status(), 303);
}

async fn has_clicks(ingress: &Ingress, clicks: u64) {
    eventually(&format!("{clicks} clicks are counted"), PATIENCE, async || {
        let (_, page) = ingress.get(&format!("/v1/referral?code={CODE}")).await;
        if page["items"][0]["clicks"] == clicks { Ok(()) } else { Err(page.to_string()) }
    })
    .await;
}

/// A fact whose publisher has a trace.
fn traced(fact: &Fact, domain: &str, flags: &str) -> Outgoing {
    let mut event = fact.event(domain);
    event["traceparent"] = parent(TRACE, flags).into();
    event["tracestate"] = Value::from(STATE);
    Outgoing::event(fact.key(), SINGLE, event.to_string())
}

//! `make micro`: how long each of the hot functions takes.
use std::hint::black_box;

use bench::hot;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn micro(criterion: &mut Criterion) {
    for hot in hot::all().expect("work for the hot functions") {
        let mut group = criterion.benchmark_group(hot.name);
        group.throughput(Throughput::Elements(hot.events as u64));
        group.bench_function(hot.what, |bencher| {
            let run = |run| assert_eq!(black_box(hot::run(run)), hot.events, "{}", hot.name);
            bencher.iter_batched(|| hot.prepare(), run, BatchSize::LargeInput);
        });
        group.finish();
    }
}

criterion_group!(benches, micro);
criterion_main!(benches);

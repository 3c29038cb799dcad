//! `make micro`: how long each of the hot functions takes.
use bench::hot;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn micro(criterion: &mut Criterion) {
    for hot in hot::all().expect("work for the hot functions") {
        let mut group = criterion.benchmark_group(hot.name);
        group.throughput(Throughput::Elements(hot.events as u64));
        group.bench_function(hot.what, |bencher| {
            let run = |run| {
                let done = hot::run(run);
                assert_eq!(done.right, hot.events, "{}", hot.name);
                done
            };
            bencher.iter_batched(|| hot.prepare(), run, BatchSize::LargeInput);
        });
        group.finish();
    }
}

criterion_group!(benches, micro);
criterion_main!(benches);

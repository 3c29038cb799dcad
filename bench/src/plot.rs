//! The pictures of curves: an SVG of a CSV.
use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum as _;
use plotters::{coord::Shift, prelude::*};

use crate::{
    curve::{Curve, Series},
    goals::growth::What,
};

const WIDTH: u32 = 720;
/// Of each panel.
const HEIGHT: u32 = 300;
const TITLE_HEIGHT: u32 = 40;
const COLOURS: [RGBColor; 2] = [RGBColor(0x1f, 0x6f, 0xb5), RGBColor(0xc2, 0x55, 0x1a)];
const GREY: RGBColor = RGBColor(0x60, 0x60, 0x60);
/// Where the reader's eyes want it dark: light for dark, and the colours as they are.
const DARK: &str = "<style>@media (prefers-color-scheme: dark) { svg { filter: invert(0.93) hue-rotate(180deg); } }</style>";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Writes `NAME.svg` beside `NAME.csv`.
pub fn file(csv: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(csv).with_context(|| format!("{}", csv.display()))?;
    let curve = Curve::read(&text).with_context(|| format!("{}", csv.display()))?;
    let name = csv.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let what = What::from_str(name, false);
    let (title, axis) = what.map_or((name, &*curve.label), |what| (what.title(), what.axis()));
    let svg = csv.with_extension("svg");
    std::fs::write(&svg, draw(&curve, title, axis)?)?;
    eprintln!("# {}", svg.display());
    Ok(())
}

/// The curve's figures, those of one unit in one panel. The points stand evenly, whatever lies between.
fn draw(curve: &Curve, title: &str, axis: &str) -> anyhow::Result<String> {
    let mut units: Vec<&str> = curve.series.iter().map(Series::unit).collect();
    units.dedup();
    let mut svg = String::new();
    {
        let height = TITLE_HEIGHT + HEIGHT * units.len() as u32;
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE)?;
        let root = root.titled(title, ("sans-serif", 18))?;
        for (area, unit) in root.split_evenly((units.len(), 1)).iter().zip(&units) {
            let series = curve.series.iter().filter(|series| series.unit() == *unit);
            panel(area, &curve.points, &series.collect::<Vec<_>>(), axis)?;
        }
        root.present()?;
    }
    let begins = svg.find("<rect").context("a picture")?;
    svg.insert_str(begins, &format!("{DARK}\n"));
    Ok(svg)
}

fn panel(area: &Area<'_>, points: &[usize], series: &[&Series], axis: &str) -> anyhow::Result<()> {
    let figures = || series.iter().flat_map(|series| &series.figures);
    let most = figures().map(|figure| figure.most).fold(1.0, f64::max);
    let last = points.len() as f64 - 1.0;
    let places: Vec<f64> = (0..points.len()).map(|n| n as f64).collect();
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_right(50)
        .x_label_area_size(45)
        .y_label_area_size(70)
        .build_cartesian_2d(-0.3..last + 0.3, 0.0..most * 1.1)?;
    let unit = match series {
        [only] => only.name.replace('_', " "),
        several => several.first().map_or("", |series| series.unit()).to_owned(),
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GREY.mix(0.25))
        .axis_style(GREY)
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .y_labels(6)
        .x_labels(points.len() + 1)
        .x_label_formatter(&|place| at(points, *place))
        .y_label_formatter(&|value| short(*value))
        .x_desc(axis)
        .y_desc(unit)
        .draw()?;
    for (series, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let spots = || places.iter().copied().zip(&series.figures);
        let line = spots().map(|(place, figure)| (place, figure.median));
        chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
        chart.draw_series(spots().map(|(place, figure)| {
            let (least, median, most) = (figure.least, figure.median, figure.most);
            ErrorBar::new_vertical(place, least, median, most, colour.filled(), 8)
        }))?;
        if let (true, Some(figure)) = (figures().count() > points.len(), series.figures.last()) {
            let name = series.name.split('_').next().unwrap_or_default();
            let style = ("sans-serif", 13).into_font().color(colour);
            let text = Text::new(name.to_owned(), (last + 0.08, figure.median), style);
            chart.draw_series([text])?;
        }
    }
    Ok(())
}

/// What stands under a place.
fn at(points: &[usize], place: f64) -> String {
    let is_point = (place - place.round()).abs() < 0.01;
    let point = points.get(place.round() as usize).filter(|_| is_point);
    point.map_or_else(String::new, |point| grouped(*point))
}

/// `10000` as `10,000`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `60000` as `60 k`.
fn short(value: f64) -> String {
    if value >= 1_000.0 { format!("{} k", value / 1_000.0) } else { format!("{value}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::Figure;

    #[test]
    fn a_picture_has_the_title_the_axes_and_every_point() {
        let figures = vec![Figure::of(&[60_000.0, 50_000.0]), Figure::of(&[40_000.0])];
        let series = Series { name: "events_per_second".to_owned(), figures };
        let curve = Curve { label: "n".to_owned(), points: vec![0, 10_000], series: vec![series] };
        let svg = draw(&curve, "A title", "stored clicks").unwrap();
        for text in [
            "A title",
            "stored clicks",
            "events per second",
            "10,000",
            "40 k",
            "prefers-color-scheme",
        ] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
    }

    #[test]
    fn numbers_are_short() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(
            (short(0.0), short(500.0), short(62_500.0)),
            ("0".into(), "500".into(), "62.5 k".into())
        );
    }
}

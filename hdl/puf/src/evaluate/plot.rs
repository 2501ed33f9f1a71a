//! Plots as SVG: no dependencies, text stays text.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 24.0;
/// Beside the axes, for the legend.
const LEGEND: f64 = 200.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 56.0;
/// Distinguishable with any colour vision (Okabe and Ito).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#000000"];

/// Dashes of the lines in turn: where one lies on another, the lower one is seen between the dashes.
const DASHES: [&str; 6] = ["none", "10 6", "2 5", "14 4 2 4", "5 5", "1 9"];

/// How a series is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// A line through the points.
    Line,
    /// Filled steps; each point is the left edge of a bar.
    Bars,
    /// A mark on every point.
    Marks,
    /// An open mark on every point with an arrow down: it is here or anywhere below.
    Below,
}

/// Points and how they are drawn.
pub(super) struct Series {
    /// What the legend says.
    pub name: String,
    /// Points, x ascending.
    pub points: Vec<(f64, f64)>,
    /// Line, bars or marks.
    pub style: Style,
}

/// Axes and what is drawn on them.
pub(super) struct Chart {
    /// Above everything.
    pub title: String,
    /// Below the x axis.
    pub x: String,
    /// Beside the y axis.
    pub y: String,
    /// The y axis is logarithmic.
    pub log_y: bool,
    /// A height to stay below, and what it is.
    pub limit: Option<(f64, &'static str)>,
    /// What is drawn.
    pub series: Vec<Series>,
}

/// Distances of responses of `bits` bits, as shares, in equal bars from 0 to about 0.7; heights are shares. A bar is two
/// bits wide, because responses with as many ones as zeros only differ in an even number.
pub(super) fn histogram(name: &str, values: &[f64], bits: usize) -> Series {
    let bars = (bits * 7 / 20).clamp(8, 180);
    let most = if bars == bits * 7 / 20 { 2.0 * bars as f64 / bits as f64 } else { 0.7 };
    let mut counts = vec![0usize; bars];
    for value in values {
        counts[((value / most * bars as f64 + 1e-9) as usize).min(bars - 1)] += 1;
    }
    let points = counts
        .into_iter()
        .enumerate()
        .map(|(i, c)| (i as f64 * most / bars as f64, c as f64 / values.len().max(1) as f64))
        .collect();
    Series { name: name.into(), points, style: Style::Bars }
}

impl Chart {
    /// The whole file.
    pub(super) fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|s| &s.points);
        let fold = |start: f64, pick: fn(f64, f64) -> f64, at: fn(&(f64, f64)) -> f64| {
            points().map(at).filter(|v| v.is_finite()).fold(start, pick)
        };
        let (x0, mut x1) =
            (fold(f64::INFINITY, f64::min, |p| p.0), fold(f64::NEG_INFINITY, f64::max, |p| p.0));
        if let Some([a, b, ..]) =
            self.series.iter().find(|s| s.style == Style::Bars).map(|s| s.points.as_slice())
        {
            x1 += b.0 - a.0;
        }
        let top = fold(f64::NEG_INFINITY, f64::max, |p| p.1);
        let (y0, y1) = if self.log_y {
            let heights = points().map(|p| p.1).chain(self.limit.map(|(limit, _)| limit));
            let least = heights.filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min);
            let top = self.limit.map_or(top, |(limit, _)| top.max(10.0 * limit));
            (least.log10().floor(), top.log10().ceil())
        } else {
            (0.0, top * 1.08)
        };
        let (x0, x1) = if x1 > x0 { (x0, x1) } else { (x0 - 1.0, x0 + 1.0) };
        let (y0, y1) = if y1 > y0 { (y0, y1) } else { (y0, y0 + 1.0) };
        let at_x = |x: f64| LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
        let at_y = |y: f64| {
            let y = if self.log_y { y.max(1e-300).log10().max(y0) } else { y };
            HEIGHT - BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)
        };

        let mut out = open(WIDTH + LEGEND, HEIGHT, &self.title);
        let (low, high) = (HEIGHT - BOTTOM, TOP);
        for x in ticks(x0, x1) {
            let at = at_x(x);
            let _ = write!(out, "<path d='M{at:.1} {low}V{high}' stroke='#e4e4e4'/>");
            text(&mut out, at, low + 18.0, "middle", &number(x));
        }
        let y_ticks = if self.log_y {
            let step = ((y1 - y0) / 8.0).ceil().max(1.0);
            (0..).map(|i| y0 + step * f64::from(i)).take_while(|t| *t <= y1).map(|t| 10f64.powf(t)).collect()
        } else {
            ticks(y0, y1)
        };
        for y in y_ticks {
            let at = at_y(y);
            let _ = write!(out, "<path d='M{LEFT} {at:.1}H{}' stroke='#e4e4e4'/>", WIDTH - RIGHT);
            let label = if self.log_y { format!("1e{}", y.log10().round()) } else { number(y) };
            text(&mut out, LEFT - 8.0, at + 4.0, "end", &label);
        }
        let _ = write!(out, "<path d='M{LEFT} {high}V{low}H{}' fill='none' stroke='#333'/>", WIDTH - RIGHT);
        if let Some((limit, what)) = self.limit {
            let at = at_y(limit);
            let _ = write!(
                out,
                "<path d='M{LEFT} {at:.1}H{}' stroke='#b00' stroke-dasharray='6 4'/>",
                WIDTH - RIGHT
            );
            text(&mut out, LEFT + 6.0, at - 5.0, "start", what);
        }
        for (number, (series, colour)) in self.series.iter().zip(COLOURS.iter().cycle()).enumerate() {
            if series.style == Style::Marks {
                // Later ones smaller: several may be in one place.
                let radius = 8usize.saturating_sub(2 * number).max(3);
                for (x, y) in series.points.iter().filter(|p| p.1 > 0.0 || !self.log_y) {
                    let _ = write!(
                        out,
                        "<circle cx='{:.1}' cy='{:.1}' r='{radius}' fill='{colour}'/>",
                        at_x(*x),
                        at_y(*y)
                    );
                }
            } else if series.style == Style::Below {
                for (x, y) in &series.points {
                    let (x, y) = (at_x(*x), at_y(*y));
                    let _ = write!(
                        out,
                        "<circle cx='{x:.1}' cy='{y:.1}' r='5' fill='none' stroke='{colour}' stroke-width='2'/>\
                         <path d='M{x:.1} {:.1}v20m-5 -7l5 7l5 -7' fill='none' stroke='{colour}' stroke-width='2'/>",
                        y + 5.0
                    );
                }
            } else if series.style == Style::Bars {
                let step = series.points.get(1).map_or(1.0, |p| p.0 - series.points[0].0);
                for (x, y) in series.points.iter().filter(|p| p.1 > 0.0) {
                    let (left, right, top) = (at_x(*x), at_x(x + step), at_y(*y));
                    let _ = write!(
                        out,
                        "<rect x='{left:.1}' y='{top:.1}' width='{:.1}' height='{:.1}' fill='{colour}' fill-opacity='0.6'/>",
                        right - left,
                        low - top
                    );
                }
            } else {
                // Later ones thinner: several may run together.
                let width = (3.5 - 0.4 * number as f64).max(1.0);
                let path: Vec<String> =
                    series.points.iter().map(|(x, y)| format!("{:.1} {:.1}", at_x(*x), at_y(*y))).collect();
                let _ = write!(
                    out,
                    "<path d='M{}' fill='none' stroke='{colour}' stroke-width='{width:.1}' stroke-dasharray='{}'/>",
                    path.join("L"),
                    DASHES[number % DASHES.len()]
                );
            }
        }
        let legend = WIDTH;
        for (i, (series, colour)) in self.series.iter().zip(COLOURS.iter().cycle()).enumerate() {
            let y = TOP + 8.0 + 18.0 * i as f64;
            let _ = match series.style {
                Style::Line => write!(
                    out,
                    "<path d='M{legend:.1} {:.1}h32' stroke='{colour}' stroke-width='3' stroke-dasharray='{}'/>",
                    y + 6.0,
                    DASHES[i % DASHES.len()]
                ),
                Style::Below => write!(
                    out,
                    "<circle cx='{:.1}' cy='{:.1}' r='5' fill='none' stroke='{colour}' stroke-width='2'/>",
                    legend + 16.0,
                    y + 6.0
                ),
                Style::Bars | Style::Marks => {
                    write!(
                        out,
                        "<rect x='{:.1}' y='{y}' width='12' height='12' fill='{colour}'/>",
                        legend + 10.0
                    )
                }
            };
            text(&mut out, legend + 38.0, y + 11.0, "start", &series.name);
        }
        text(&mut out, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 14.0, "middle", &self.x);
        let middle = (TOP + HEIGHT - BOTTOM) / 2.0;
        let _ = write!(
            out,
            "<text x='18' y='{middle}' text-anchor='middle' transform='rotate(-90 18 {middle})'>{}</text>",
            escape(&self.y)
        );
        out.push_str("</svg>\n");
        out
    }
}

/// A map of values in rows of `columns`, blue below zero, orange above, with a scale; `unit` is what one means.
pub(super) fn map(title: &str, values: &[f64], columns: usize, unit: &str) -> String {
    let rows = values.len().div_ceil(columns);
    let cell = (480.0 / rows as f64).min(560.0 / columns as f64).clamp(2.0, 24.0);
    let (width, height) = (cell * columns as f64, cell * rows as f64);
    let most = values.iter().fold(0.0f64, |m, v| m.max(v.abs())).max(1e-12);
    let shade = |value: f64| {
        let strength = (value.abs() / most).min(1.0);
        let full = if value < 0.0 { [0.0, 114.0, 178.0] } else { [213.0, 94.0, 0.0] };
        let [r, g, b] = full.map(|c| (255.0 + (c - 255.0) * strength).round());
        format!("rgb({r},{g},{b})")
    };
    let mut out = open(width + 320.0, height + 84.0, title);
    text(&mut out, width + 48.0, TOP + 12.0, "start", unit);
    for (i, value) in values.iter().enumerate() {
        let (x, y) = (24.0 + cell * (i % columns) as f64, TOP + cell * (i / columns) as f64);
        let _ = write!(
            out,
            "<rect x='{x:.1}' y='{y:.1}' width='{cell:.1}' height='{cell:.1}' fill='{}'><title>{i}: {value:+.3}</title></rect>",
            shade(*value)
        );
    }
    let decimals = if most < 10.0 { 2 } else { 0 };
    for i in 0..=10 {
        let value = most * (1.0 - f64::from(i) / 5.0);
        let y = TOP + 24.0 + 16.0 * f64::from(i);
        let _ = write!(
            out,
            "<rect x='{:.1}' y='{y:.1}' width='16' height='16' fill='{}'/>",
            width + 48.0,
            shade(value)
        );
        text(&mut out, width + 70.0, y + 12.0, "start", &format!("{value:+.decimals$}"));
    }
    text(
        &mut out,
        24.0,
        TOP + height + 24.0,
        "start",
        "a square for every place of the array, first ring top left",
    );
    out.push_str("</svg>\n");
    out
}

fn open(width: f64, height: f64, title: &str) -> String {
    let mut out = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0} {height:.0}' width='{width:.0}' height='{height:.0}' \
         font-family='sans-serif' font-size='12' fill='#222'><rect width='100%' height='100%' fill='#fff'/>"
    );
    let _ = write!(out, "<text x='24' y='26' font-size='15'>{}</text>", escape(title));
    out
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, what: &str) {
    let _ = write!(out, "<text x='{x:.1}' y='{y:.1}' text-anchor='{anchor}'>{}</text>", escape(what));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Five to ten round numbers from `low` to `high`.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 6.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= rough).unwrap_or(rough);
    let first = (low / step).ceil() as i64;
    (first..).map(|i| i as f64 * step).take_while(|t| *t <= high + step * 1e-9).take(100).collect()
}

fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 70.0), [0.0, 20.0, 40.0, 60.0]);
        assert!(ticks(0.013, 0.0171).iter().all(|t| (0.013..=0.0171).contains(t)));
    }

    #[test]
    fn a_histogram_sums_to_one_and_keeps_the_last_value() {
        let h = histogram("h", &[0.0, 0.25, 0.7, 0.95], 40);
        assert_eq!(h.points.len(), 14);
        let filled: Vec<usize> = (0..14).filter(|i| h.points[*i].1 > 0.0).collect();
        assert_eq!(filled, [0, 5, 13]);
        assert_eq!(h.points[13].1, 0.5);
    }

    #[test]
    fn names_cannot_break_out_of_the_text() {
        let chart = Chart {
            title: "a < b & c".into(),
            x: String::new(),
            y: String::new(),
            log_y: true,
            limit: None,
            series: vec![Series {
                name: "<s>".into(),
                points: vec![(0.0, 0.0), (1.0, 1e-3)],
                style: Style::Line,
            }],
        };
        let svg = chart.svg();
        assert!(
            svg.contains("a &lt; b &amp; c") && svg.contains("&lt;s&gt;") && !svg.contains("NaN"),
            "{svg}"
        );
    }
}

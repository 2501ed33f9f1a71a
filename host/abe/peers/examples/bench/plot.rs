//! Line plots as SVG: panels side by side with common logarithmic axes, every line labelled at its end.

use std::fmt::Write;

const WIDTH: f64 = 1080.0;
const HEIGHT: f64 = 520.0;
const TOP: f64 = 84.0;
const BOTTOM: f64 = 64.0;
const LEFT: f64 = 72.0;
/// Room for the labels at the ends of the lines.
const LABELS: f64 = 172.0;
/// Distance between the base lines of two labels.
const LABEL_HEIGHT: f64 = 18.0;

pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) series: Vec<Series>,
}

pub(crate) struct Series {
    pub(crate) label: String,
    pub(crate) colour: &'static str,
    pub(crate) dashed: bool,
    /// Positive numbers, by ascending x.
    pub(crate) points: Vec<(f64, f64)>,
}

/// A picture of `panels` with ticks at `x_ticks`. Series without points are left out.
pub(crate) fn svg(title: &str, x_name: &str, y_name: &str, x_ticks: &[usize], panels: &[Panel]) -> String {
    let all = || panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points);
    let xs = x_ticks.iter().map(|x| *x as f64);
    let (x_min, x_max) = (xs.clone().fold(f64::INFINITY, f64::min), xs.fold(0.0, f64::max));
    let lowest = all().map(|point| point.1).fold(f64::INFINITY, f64::min).log10().floor();
    let highest = all().map(|point| point.1).fold(0.0, f64::max).log10().ceil();
    let panel_width = WIDTH / panels.len() as f64;
    let plot_width = panel_width - LEFT - LABELS;
    let x_of = |left: f64, x: f64| left + (x / x_min).ln() / (x_max / x_min).ln() * plot_width;
    let y_of = |y: f64| TOP + (highest - y.log10()) / (highest - lowest) * (HEIGHT - TOP - BOTTOM);
    let floor = HEIGHT - BOTTOM;

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"14\" fill=\"#222222\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"32\" font-size=\"18\" font-weight=\"bold\">{title}</text>\n"
    );
    let mut draw = |element: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(svg, "{element}");
    };
    for (i, panel) in panels.iter().enumerate() {
        let left = panel_width * i as f64 + LEFT;
        let right = left + plot_width;
        draw(format!("<text x=\"{left}\" y=\"{:.1}\" font-size=\"16\">{}</text>", TOP - 18.0, panel.title));
        for power in lowest as i32..=highest as i32 {
            let y = y_of(10f64.powi(power));
            draw(format!("<path d=\"M{left:.1} {y:.1}H{right:.1}\" stroke=\"#d8d8d8\"/>"));
            let tick = if power < 0 {
                format!("{:.1$}", 10f64.powi(power), -power as usize)
            } else {
                format!("{}", 10f64.powi(power))
            };
            draw(format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
                left - 8.0,
                y + 5.0
            ));
        }
        for tick in x_ticks {
            let x = x_of(left, *tick as f64);
            draw(format!("<path d=\"M{x:.1} {TOP}V{:.1}\" stroke=\"#ececec\"/>", floor + 5.0));
            draw(format!(
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{tick}</text>",
                floor + 22.0
            ));
        }
        draw(format!(
            "<path d=\"M{left:.1} {TOP}V{floor:.1}H{right:.1}\" fill=\"none\" stroke=\"#222222\"/>"
        ));
        let (x, y) = ((left + right) / 2.0, HEIGHT - 16.0);
        draw(format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{x_name}</text>"));
        let (x, y) = (left - 52.0, (TOP + floor) / 2.0);
        draw(format!(
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" text-anchor=\"middle\">{y_name}</text>"
        ));

        let mut labels = Vec::new();
        for series in panel.series.iter().filter(|series| !series.points.is_empty()) {
            let at: Vec<_> = series.points.iter().map(|(x, y)| (x_of(left, *x), y_of(*y))).collect();
            let path: Vec<_> = at.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
            let dash = if series.dashed { " stroke-dasharray=\"7 5\"" } else { "" };
            let colour = series.colour;
            draw(format!(
                "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.2\"{dash}/>",
                path.join("L")
            ));
            for (x, y) in &at {
                draw(format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.2\" fill=\"{colour}\"/>"));
            }
            labels.push((at[at.len() - 1], series));
        }
        labels.sort_by(|a, b| a.0.1.total_cmp(&b.0.1));
        let mut y_free = f64::NEG_INFINITY;
        for ((x_end, y_end), series) in labels {
            let y = y_end.max(y_free);
            y_free = y + LABEL_HEIGHT;
            let (x, colour) = (right + 18.0, series.colour);
            draw(format!(
                "<path d=\"M{:.1} {y_end:.1}L{:.1} {y:.1}\" stroke=\"{colour}\" stroke-width=\"0.8\"/>",
                x_end + 5.0,
                x - 3.0
            ));
            draw(format!(
                "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>",
                y + 5.0,
                series.label
            ));
        }
    }
    svg + "</svg>\n"
}

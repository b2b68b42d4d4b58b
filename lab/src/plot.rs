//! Line charts as SVG text, readable on light and dark pages.

/// One line of a chart.
pub struct Line {
    /// Name in the legend.
    pub name: String,
    /// Points, in order of x.
    pub points: Vec<(f64, f64)>,
}

/// What stands around the lines.
pub struct Chart {
    /// Heading.
    pub title: String,
    /// Text below the horizontal axis.
    pub x: String,
    /// Range of the vertical axis; values outside are drawn on its border.
    pub range: (f64, f64),
}

const COLOURS: [&str; 6] = ["#2f7ebc", "#d9691f", "#3f9b4b", "#a34fb5", "#b58900", "#777777"];
const WIDTH: f64 = 720.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 700.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 300.0;
const TICKS: usize = 5;

/// The chart as an SVG document.
pub fn svg(chart: &Chart, lines: &[Line]) -> String {
    let xs = lines.iter().flat_map(|l| l.points.iter().map(|p| p.0));
    let (first, last) = xs.fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(x), b.max(x)));
    let (low, high) = chart.range;
    let at_x = |x: f64| LEFT + (RIGHT - LEFT) * (x - first) / (last - first).max(1e-9);
    let at_y = |y: f64| BOTTOM - (BOTTOM - TOP) * (y.clamp(low, high) - low) / (high - low);
    let mut parts = vec![text((LEFT, 24.0), "start", 15, &chart.title), text((RIGHT, BOTTOM + 34.0), "end", 12, &chart.x)];
    let digits = match last - first {
        span if span > 2.0 => 0,
        span if span > 0.2 => 2,
        _ => 3,
    };
    for tick in 0..=TICKS {
        let share = tick as f64 / TICKS as f64;
        let (value, x) = (low + (high - low) * share, first + (last - first) * share);
        let y = at_y(value);
        parts.push(format!(r##"<path d="M{LEFT} {y:.1}H{RIGHT}" stroke="#888" stroke-opacity=".3"/>"##));
        parts.push(text((LEFT - 8.0, y + 4.0), "end", 12, &format!("{value:.2}")));
        parts.push(text((at_x(x), BOTTOM + 18.0), "middle", 12, &format!("{x:.digits$}")));
    }
    for (i, line) in lines.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let points: Vec<String> = line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", at_x(*x), at_y(*y))).collect();
        parts.push(format!(r#"<polyline fill="none" stroke="{colour}" stroke-width="2" points="{}"/>"#, points.join(" ")));
        let y = BOTTOM + 52.0 + 18.0 * i as f64;
        parts.push(format!(r#"<path d="M{LEFT} {:.1}h24" stroke="{colour}" stroke-width="3"/>"#, y - 4.0));
        parts.push(text((LEFT + 32.0, y), "start", 12, &line.name));
    }
    let height = BOTTOM + 64.0 + 18.0 * lines.len() as f64;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" fill=\"#888\">\n{}\n</svg>\n",
        parts.join("\n")
    )
}

fn text((x, y): (f64, f64), anchor: &str, size: u32, content: &str) -> String {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    format!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" font-size="{size}">{content}</text>"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_land_where_their_values_say() {
        let chart = Chart { title: "a < b".into(), x: "epoch".into(), range: (0.0, 1.0) };
        let lines = [Line { name: "one".into(), points: vec![(1.0, 0.0), (3.0, 1.0), (2.0, 9.0)] }];
        let svg = svg(&chart, &lines);
        assert!(svg.contains(r#"points="56.0,300.0 700.0,44.0 378.0,44.0""#), "{svg}");
        assert!(svg.contains("a &lt; b"));
    }
}

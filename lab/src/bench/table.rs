//! A small table on the terminal.

/// Prints rows under a heading, columns padded to their longest cell.
pub fn print<const N: usize>(heading: [&str; N], rows: &[[String; N]]) {
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).chain([heading[column].len()]).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        println!("{}", padded.collect::<Vec<_>>().join("  ").trim_end());
    };
    line(heading);
    line(widths.map(|width| "-".repeat(width)).each_ref().map(String::as_str));
    for row in rows {
        line(row.each_ref().map(String::as_str));
    }
}

/// The same table in Markdown, numbers as they are.
pub fn markdown<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let line = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
    let rows = rows.iter().map(|row| line(&row.each_ref().map(String::as_str)));
    line(&heading) + &line(&["---"; N]) + &rows.collect::<String>()
}

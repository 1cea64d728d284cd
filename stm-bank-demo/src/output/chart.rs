//! What the plots are drawn with: a canvas, axes, and the look of a family.
//!
//! A plot is a string of SVG that goes into a page, where it must read well on white and on black, for those who
//! do not see colours, and with any font. So each family has a marker as well as a colour (O3), colours are a
//! fixed set that the page's style sheet replaces for dark screens ([`dark_style`]), and room for text is made by
//! counting characters, generously: nothing is ever cut off, at the worst it stands a little apart.

use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// A place on the canvas, in pixels.
pub(super) type Pixel = (i32, i32);

/// The text's size in pixels.
pub(super) const TEXT: i32 = 14;

/// Room for a picture's title and its key.
const HEAD: i32 = 62;

/// Half of a marker's width.
const MARKER: i32 = 5;

pub(super) const INK: RGBColor = RGBColor(0x1A, 0x1A, 0x1A);
pub(super) const FAINT: RGBColor = RGBColor(0x59, 0x59, 0x59);
pub(super) const GRID: RGBColor = RGBColor(0xD9, 0xD9, 0xD9);

/// What those are on a dark page.
const DARK: [(RGBColor, &str); 3] = [(INK, "#ececec"), (FAINT, "#b0b0b0"), (GRID, "#404040")];

/// How all that belongs to a family looks, in every plot and table.
pub(super) struct Look {
    pub(super) family: &'static str,
    pub(super) color: RGBColor,
    /// On a dark page.
    dark: &'static str,
    marker: Marker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    Circle,
    Square,
    TriangleUp,
    TriangleDown,
    Diamond,
    Cross,
    Plus,
}

/// At least three to one against the page, and apart for the colour-blind by lightness or by blue and yellow.
const LOOKS: [Look; 7] = [
    Look {
        family: "mutex",
        color: RGBColor(0x00, 0x62, 0xA8),
        dark: "#5ab0e8",
        marker: Marker::Circle,
    },
    Look {
        family: "channel",
        color: RGBColor(0x9A, 0x67, 0x00),
        dark: "#e8b23a",
        marker: Marker::Square,
    },
    Look {
        family: "actor",
        color: RGBColor(0x7B, 0x3F, 0xA0),
        dark: "#c792ea",
        marker: Marker::TriangleUp,
    },
    Look {
        family: "optimistic",
        color: RGBColor(0x00, 0x7A, 0x5A),
        dark: "#3cc7a0",
        marker: Marker::TriangleDown,
    },
    Look {
        family: "stm",
        color: RGBColor(0xD0, 0x3D, 0x00),
        dark: "#ff8a5c",
        marker: Marker::Diamond,
    },
    Look {
        family: "racy",
        color: RGBColor(0x6E, 0x6E, 0x6E),
        dark: "#a8a8a8",
        marker: Marker::Cross,
    },
    // Any other.
    Look {
        family: "",
        color: RGBColor(0x44, 0x50, 0x5C),
        dark: "#9fb0c0",
        marker: Marker::Plus,
    },
];

impl Look {
    pub(super) fn of(family: &str) -> &'static Self {
        let known = LOOKS.iter().find(|look| look.family == family);
        known.unwrap_or(&LOOKS[LOOKS.len() - 1])
    }
}

/// Style rules that give the plots their colours on a dark page. They beat the attributes that plots are drawn with.
pub(super) fn dark_style() -> String {
    let families = LOOKS.iter().map(|look| (look.color, look.dark));
    let rules = families.chain(DARK).map(|(light, dark)| {
        let RGBColor(r, g, b) = light;
        let light = format!("#{r:02X}{g:02X}{b:02X}");
        format!("svg [fill=\"{light}\"]{{fill:{dark}}}svg [stroke=\"{light}\"]{{stroke:{dark}}}\n")
    });
    rules.collect()
}

/// How wide a text may become in a wide font.
pub(super) fn width(text: &str) -> i32 {
    let em = |c: char| if c.is_ascii() { 0.62 } else { 1.05 };
    (text.chars().map(em).sum::<f64>() * f64::from(TEXT)).ceil() as i32
}

/// The width of the widest.
pub(super) fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> i32 {
    texts.map(width).max().unwrap_or(0)
}

/// What is drawn on.
pub(super) struct Canvas<'a> {
    root: DrawingArea<SVGBackend<'a>, plotters::coord::Shift>,
}

/// Drawing into a string cannot fail.
const INFALLIBLE: &str = "a string takes everything";

/// A picture as SVG, with a description for those who do not see it.
pub(super) fn picture(description: &str, size: Pixel, draw: impl FnOnce(&Canvas<'_>)) -> String {
    let mut svg = String::new();
    let size = (size.0.unsigned_abs(), size.1.unsigned_abs());
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let canvas = Canvas { root };
        draw(&canvas);
        canvas.root.present().expect(INFALLIBLE);
    }
    let description = super::html::escape(description);
    svg.replacen(
        "<svg ",
        &format!("<svg role=\"img\" aria-label=\"{description}\" "),
        1,
    )
}

/// A picture with a title and the markers of its families above it, on white.
pub(super) fn on_paper(title: &str, families: &[&str], picture: &str) -> String {
    let number = |name: &str| {
        let (_, rest) = picture.split_once(&format!(" {name}=\""))?;
        rest.split_once('"')?.0.parse::<i32>().ok()
    };
    let (wide, height) = (number("width").unwrap_or(0), number("height").unwrap_or(0));
    let height = height + HEAD;
    let title = super::html::escape(title);
    let RGBColor(r, g, b) = INK;
    let (mut key, mut x) = (String::new(), 10);
    for family in families {
        let marker = marker_alone(family);
        let (name, beside) = (super::html::escape(family), x + 3 * MARKER + 3);
        key += &format!(
            "<g transform=\"translate({x},35)\">\n{marker}</g>\n\
             <text x=\"{beside}\" y=\"47\" font-family=\"sans-serif\" font-size=\"{TEXT}\">{name}</text>\n"
        );
        x = beside + width(family) + 2 * MARKER;
    }
    let width = wide;
    format!(
        "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>\n\
         <text x=\"10\" y=\"24\" font-family=\"sans-serif\" font-size=\"16\" font-weight=\"bold\" \
         fill=\"#{r:02X}{g:02X}{b:02X}\">{title}</text>\n{key}<g transform=\"translate(0,{HEAD})\">\n{picture}</g>\n</svg>\n"
    )
}

/// The marker of a family alone, to stand beside its name in text.
pub(super) fn marker_alone(family: &str) -> String {
    let half = MARKER + 2;
    picture(family, (2 * half, 2 * half), |canvas| {
        canvas.marker((half, half), family);
    })
}

impl<'a> Canvas<'a> {
    pub(super) fn draw<E>(&self, element: E)
    where
        E: plotters::element::Drawable<SVGBackend<'a>>,
        for<'e> &'e E: plotters::element::PointCollection<'e, Pixel>,
    {
        self.root.draw(&element).expect(INFALLIBLE);
    }

    /// Text whose anchor's middle is at that height.
    pub(super) fn text(&self, text: &str, at: Pixel, anchor: HPos, color: RGBColor) {
        // The backend divides by this.
        let size = f64::from(TEXT) * 1.24;
        let font = ("sans-serif", size).into_text_style(&self.root);
        let style = font.color(&color).pos(Pos::new(anchor, VPos::Center));
        self.draw(Text::new(super::units::one_line(text), at, style));
    }

    pub(super) fn line(&self, from: Pixel, to: Pixel, color: RGBColor, thickness: u32) {
        self.draw(PathElement::new([from, to], color.stroke_width(thickness)));
    }

    pub(super) fn bar(&self, from: Pixel, to: Pixel, style: impl Into<ShapeStyle>) {
        let (left, right) = (from.0.min(to.0), from.0.max(to.0));
        let (top, bottom) = (from.1.min(to.1), from.1.max(to.1));
        self.draw(Rectangle::new([(left, top), (right, bottom)], style));
    }

    /// The marker of a family.
    pub(super) fn marker(&self, at: Pixel, family: &str) {
        let look = Look::of(family);
        let around = |corners: &[Pixel]| -> Vec<Pixel> {
            let place = |(x, y): &Pixel| (at.0 + x * MARKER / 5, at.1 + y * MARKER / 5);
            corners.iter().map(place).collect()
        };
        let filled = |corners: &[Pixel]| {
            self.draw(Polygon::new(around(corners), look.color.filled()));
        };
        let stroke = |from: Pixel, to: Pixel| {
            self.draw(PathElement::new(
                around(&[from, to]),
                look.color.stroke_width(3),
            ));
        };
        match look.marker {
            Marker::Circle => self.draw(Circle::new(at, MARKER, look.color.filled())),
            Marker::Square => filled(&[(-4, -4), (4, -4), (4, 4), (-4, 4)]),
            Marker::TriangleUp => filled(&[(0, -5), (5, 4), (-5, 4)]),
            Marker::TriangleDown => filled(&[(0, 5), (5, -4), (-5, -4)]),
            Marker::Diamond => filled(&[(0, -6), (6, 0), (0, 6), (-6, 0)]),
            Marker::Cross => {
                stroke((-4, -4), (4, 4));
                stroke((-4, 4), (4, -4));
            }
            Marker::Plus => {
                stroke((-5, 0), (5, 0));
                stroke((0, -5), (0, 5));
            }
        }
    }

    /// A range with caps; nothing if it is none.
    pub(super) fn whisker(&self, from: Pixel, to: Pixel, color: RGBColor) {
        if from == to {
            return;
        }
        let cap = 4;
        self.line(from, to, color, 2);
        for (x, y) in [from, to] {
            self.line((x, y - cap), (x, y + cap), color, 2);
        }
    }
}

/// Where values lie between two ends of the canvas.
pub(super) struct Axis {
    scale: Scale,
    range: RangedCoordf64,
    ends: Pixel,
    pub(super) ticks: Vec<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scale {
    Linear,
    Log,
}

impl Axis {
    /// From zero to at least `max`, in round steps.
    pub(super) fn from_zero(max: f64, ends: Pixel) -> Self {
        let max = if max > 0.0 { max } else { 1.0 };
        let rough = max / 5.0;
        let decade = 10f64.powf(rough.log10().floor());
        let round = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * decade);
        let step = round.into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * decade);
        let steps = (max / step).ceil();
        Self {
            scale: Scale::Linear,
            range: (0.0..steps * step).into(),
            ends,
            ticks: (0..=steps as u32).map(|at| f64::from(at) * step).collect(),
        }
    }

    /// Around all of `values`, equal ratios equally far apart. Values that have no logarithm are left out.
    pub(super) fn log(values: impl Iterator<Item = f64>, ends: Pixel) -> Self {
        let values = values.filter(|value| value.is_finite() && *value > 0.0);
        let (low, high) = values.fold((f64::INFINITY, 0.0), |(low, high), value| {
            (f64::min(low, value), f64::max(high, value))
        });
        let (low, high) = if low <= high {
            (low, high)
        } else {
            (1.0, 10.0)
        };
        let decades = (high / low).log10();
        let leading: &[f64] = match decades {
            d if d < 2.0 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        // More than ten labels would touch each other.
        let every = (decades / 10.0).ceil().max(1.0) as i32;
        let first = low.log10().floor() as i32 - 1;
        let last = high.log10().ceil() as i32 + 1;
        let candidates: Vec<f64> = (first..=last)
            .filter(|decade| decade.rem_euclid(every) == 0)
            .flat_map(|decade| leading.iter().map(move |lead| lead * 10f64.powi(decade)))
            .collect();
        let below = candidates.iter().rfind(|tick| **tick <= low * 1.000_001);
        let above = candidates.iter().find(|tick| **tick >= high / 1.000_001);
        let low = below.copied().unwrap_or(low);
        let high = above.copied().unwrap_or(high);
        let inside = low / 1.000_001..=high * 1.000_001;
        Self {
            scale: Scale::Log,
            range: (low.log10()..high.log10()).into(),
            ends,
            ticks: candidates
                .into_iter()
                .filter(|tick| inside.contains(tick))
                .collect(),
        }
    }

    /// From zero, or logarithmic if the least would vanish beside the greatest.
    pub(super) fn for_rates(values: &[f64], ends: Pixel) -> Self {
        let max = values.iter().copied().fold(0.0, f64::max);
        let positive = values.iter().copied().filter(|value| *value > 0.0);
        let min = positive.clone().fold(f64::INFINITY, f64::min);
        if max / min > 50.0 {
            Self::log(positive, ends)
        } else {
            Self::from_zero(max, ends)
        }
    }

    /// Exactly these values, which get a tick each.
    pub(super) fn of(values: &[f64], ends: Pixel) -> Self {
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let scale = if min > 0.0 && max / min >= 8.0 {
            Scale::Log
        } else {
            Scale::Linear
        };
        let (low, high) = if scale == Scale::Log {
            (min.log10(), max.log10())
        } else {
            (min, max)
        };
        // One value alone lies in the middle.
        let room = if low < high { 0.0 } else { 1.0 };
        Self {
            scale,
            range: (low - room..high + room).into(),
            ends,
            ticks: values.to_vec(),
        }
    }

    /// Where that value lies; what lies outside is put at the nearest end.
    pub(super) fn at(&self, value: f64) -> i32 {
        let value = match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(f64::MIN_POSITIVE).log10(),
        };
        let std::ops::Range { start, end } = self.range.range();
        self.range.map(&value.clamp(start, end), self.ends)
    }

    /// Whether lengths from the axis's start are proportional to values.
    pub(super) fn has_zero(&self) -> bool {
        self.scale == Scale::Linear
    }

    /// How the scale is to be read.
    pub(super) fn scale(&self) -> &'static str {
        match self.scale {
            Scale::Linear => "",
            Scale::Log => ", logarithmic",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixture::watched;

    const ENDS: Pixel = (100, 500);

    #[test]
    fn what_lies_beyond_an_axis_is_put_at_its_end() {
        watched("what_lies_beyond_an_axis_is_put_at_its_end", || {
            for axis in [
                Axis::from_zero(7.0, ENDS),
                Axis::log([3.0, 700.0].into_iter(), ENDS),
                Axis::of(&[1.0, 2.0], ENDS),
            ] {
                assert_eq!(axis.at(-1.0), ENDS.0);
                assert_eq!(axis.at(0.0), ENDS.0);
                assert_eq!(axis.at(1e9), ENDS.1);
            }
        });
    }

    #[test]
    fn ticks_are_round_and_hold_all_values_between_them() {
        watched("ticks_are_round_and_hold_all_values_between_them", || {
            assert_eq!(Axis::from_zero(7.0, ENDS).ticks, [0.0, 2.0, 4.0, 6.0, 8.0]);
            assert_eq!(Axis::from_zero(0.0, ENDS).ticks.first(), Some(&0.0));
            let log = |low, high| Axis::log([low, high].into_iter(), ENDS).ticks;
            assert_eq!(log(3.0, 70.0), [2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
            assert_eq!(log(1.0, 1000.0), [1.0, 10.0, 100.0, 1000.0]);
            assert!(log(1e-9, 1e12).len() <= 13, "labels that do not touch");
            assert_eq!(Axis::of(&[3.0], ENDS).at(3.0), 300, "alone in the middle");
        });
    }

    #[test]
    fn a_scale_is_logarithmic_where_the_least_would_vanish() {
        watched(
            "a_scale_is_logarithmic_where_the_least_would_vanish",
            || {
                assert!(Axis::for_rates(&[1.0, 50.0], ENDS).has_zero());
                assert!(!Axis::for_rates(&[1.0, 51.0], ENDS).has_zero());
                assert!(Axis::for_rates(&[0.0, 51.0], ENDS).has_zero());
                assert!(Axis::for_rates(&[], ENDS).has_zero());
            },
        );
    }

    #[test]
    fn equal_ratios_are_equally_far_apart() {
        watched("equal_ratios_are_equally_far_apart", || {
            let axis = Axis::log([1.0, 1e4].into_iter(), ENDS);
            let places = [1.0, 10.0, 100.0, 1e3, 1e4].map(|value| axis.at(value));
            assert_eq!(places, [100, 200, 300, 400, 500]);
        });
    }

    #[test]
    fn families_differ_by_marker_and_by_color() {
        watched("families_differ_by_marker_and_by_color", || {
            for (at, look) in LOOKS.iter().enumerate() {
                for other in &LOOKS[..at] {
                    assert_ne!(look.color, other.color);
                    assert_ne!(look.dark, other.dark);
                    assert_ne!(look.marker, other.marker);
                }
            }
            assert_eq!(Look::of("a new one").family, "");
        });
    }
}

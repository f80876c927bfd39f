//! A picture: read from an X server's memory or from a PNG, looked into, and kept as a PNG.

use anyhow::{Context, Result, bail};
use std::fs;
use std::io::Cursor;
use std::path::Path;

/// Red, green, blue.
pub type Color = [u8; 3];

/// Rows of pixels.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    pixels: Vec<Color>,
}

impl Picture {
    /// Reads an X window dump of 32 bits a pixel, such as `Xvfb -fbdir` keeps up to date.
    pub fn of_xwd(bytes: &[u8]) -> Result<Self> {
        let word = |index: usize| -> Result<usize> {
            let at = bytes.get(index * 4..index * 4 + 4);
            let four: [u8; 4] = at.context("the dump ends in its head")?.try_into()?;
            Ok(u32::from_be_bytes(four) as usize)
        };
        // XWDFile.h: header_size, file_version, pixmap_format, pixmap_depth, width, height, …,
        // bits_per_pixel (11), bytes_per_line (12), …, ncolors (19), each of 12 bytes.
        let (head, width, height) = (word(0)?, word(4)?, word(5)?);
        let (bits, line, colors) = (word(11)?, word(12)?, word(19)?);
        if bits != 32 {
            bail!("a dump of {bits} bits a pixel");
        }
        let body = bytes
            .get(head + colors * 12..)
            .context("a dump without pixels")?;
        let mut pixels = Vec::with_capacity(width * height);
        for row in body.chunks(line).take(height) {
            // Little-endian words 0x00RRGGBB.
            pixels.extend(row.chunks(4).take(width).map(|p| [p[2], p[1], p[0]]));
        }
        if pixels.len() != width * height {
            bail!("the dump ends early");
        }
        Ok(Self {
            width: u32::try_from(width)?,
            pixels,
        })
    }

    /// Reads a PNG of eight bits a channel, without its transparency.
    pub fn of_png(bytes: &[u8]) -> Result<Self> {
        let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info()?;
        let size = reader.output_buffer_size().context("a picture too large")?;
        let mut samples = vec![0; size];
        let info = reader.next_frame(&mut samples)?;
        let channels = match (info.color_type, info.bit_depth) {
            (png::ColorType::Rgb, png::BitDepth::Eight) => 3,
            (png::ColorType::Rgba, png::BitDepth::Eight) => 4,
            other => bail!("a PNG of {other:?}"),
        };
        let pixels = samples[..info.buffer_size()].chunks(channels);
        Ok(Self {
            width: info.width,
            pixels: pixels.map(|p| [p[0], p[1], p[2]]).collect(),
        })
    }

    /// Writes it as a PNG.
    pub fn save(&self, file: &Path) -> Result<()> {
        let into = fs::File::create(file).with_context(|| format!("making {}", file.display()))?;
        let mut encoder = png::Encoder::new(into, self.width, self.height());
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder
            .write_header()?
            .write_image_data(self.pixels.as_flattened())?;
        Ok(())
    }

    /// In pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// In pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        (self.pixels.len() / self.width.max(1) as usize) as u32
    }

    /// The pixel there; outside of the picture: none.
    #[must_use]
    pub fn at(&self, x: u32, y: u32) -> Option<Color> {
        if x >= self.width {
            return None;
        }
        let index = y as usize * self.width as usize + x as usize;
        self.pixels.get(index).copied()
    }

    /// The part of it from `(x, y)` on, cut where it ends.
    #[must_use]
    pub fn cut(&self, (x, y): (u32, u32), (width, height): (u32, u32)) -> Self {
        let width = width.min(self.width.saturating_sub(x));
        let rows = y..(y + height).min(self.height());
        let row = |y: u32| (x..x + width).filter_map(move |x| self.at(x, y));
        Self {
            width,
            pixels: rows.flat_map(row).collect(),
        }
    }

    /// The middle of the smallest rectangle around all pixels of such a colour.
    #[must_use]
    pub fn middle_of(&self, such: impl Fn(Color) -> bool) -> Option<(u32, u32)> {
        let width = self.width.max(1);
        let found = || {
            let numbered = (0_u32..).zip(&self.pixels);
            numbered
                .filter(|(_, color)| such(**color))
                .map(|(index, _)| (index % width, index / width))
        };
        let middle = |least: Option<u32>, most: Option<u32>| Some((least? + most?) / 2);
        let (xs, ys) = (|| found().map(|at| at.0), || found().map(|at| at.1));
        Some((
            middle(xs().min(), xs().max())?,
            middle(ys().min(), ys().max())?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(pixels: &[[u8; 4]], width: u32) -> Vec<u8> {
        let height = pixels.len() as u32 / width;
        let mut head = [0_u32; 25];
        head[0] = 104;
        (head[4], head[5], head[11], head[12], head[19]) = (width, height, 32, width * 4, 1);
        let mut bytes: Vec<u8> = head.iter().flat_map(|word| word.to_be_bytes()).collect();
        // A name of four bytes, and one colour.
        bytes.extend([0; 4 + 12]);
        bytes.extend(pixels.as_flattened());
        bytes
    }

    #[test]
    fn a_dump_and_a_png_of_it_are_the_same_picture() {
        let shown = dump(
            &[[3, 2, 1, 0], [6, 5, 4, 0], [9, 8, 7, 0], [0, 0, 255, 0]],
            2,
        );
        let picture = Picture::of_xwd(&shown).unwrap();
        assert_eq!(picture.at(0, 0), Some([1, 2, 3]));
        assert_eq!(picture.at(1, 1), Some([255, 0, 0]));
        assert_eq!((picture.at(2, 0), picture.at(0, 2)), (None, None));
        let file = std::env::temp_dir().join(format!("e2e-picture-{}.png", std::process::id()));
        picture.save(&file).unwrap();
        assert!(Picture::of_png(&fs::read(&file).unwrap()).unwrap() == picture);
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_dump_that_ends_early_is_refused() {
        let shown = dump(&[[0; 4]; 4], 2);
        assert!(Picture::of_xwd(&shown[..shown.len() - 4]).is_err());
        assert!(Picture::of_xwd(&shown[..50]).is_err());
    }

    #[test]
    fn the_middle_of_a_colour_is_the_middle_of_all_of_it() {
        let mut pixels = [[0; 4]; 50];
        for lit in [11, 13, 31, 33] {
            pixels[lit] = [255, 0, 0, 0];
        }
        let picture = Picture::of_xwd(&dump(&pixels, 10)).unwrap();
        assert_eq!(picture.middle_of(|color| color[2] == 255), Some((2, 2)));
        assert_eq!(picture.middle_of(|color| color[0] == 255), None);
    }

    #[test]
    fn a_cut_stops_at_the_edge() {
        let picture = Picture::of_xwd(&dump(&[[7, 0, 0, 0]; 12], 4)).unwrap();
        let cut = picture.cut((2, 1), (10, 10));
        assert_eq!((cut.width(), cut.height()), (2, 2));
    }
}

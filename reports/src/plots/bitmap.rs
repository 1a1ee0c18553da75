//! Charts as pixels: where plotters draws into, and the PNG file that comes of it.
//!
//! plotters rasterises lines and areas by itself, but sets text only with the help of a font, which
//! no machine can be relied on to have, and once it may ask for fonts its SVG depends on them, too.
//! So labels are set in a small face of our own ([`super::glyphs`]), and the file is the same
//! everywhere. A general renderer of SVG would be some forty crates, and would need a font as well.

use super::glyphs::{ADVANCE, HEIGHT, glyph};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendTextStyle, DrawingBackend, DrawingErrorKind};
use std::convert::Infallible;
use std::io::Write;

/// Pixels to a dot of a letter.
const DOT: i32 = 3;

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// White at first.
pub(super) struct Bitmap {
    width: u32,
    height: u32,
    /// Red, green, blue; row by row.
    pixels: Vec<u8>,
}

impl Bitmap {
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self { width, height, pixels: vec![255; width as usize * height as usize * 3] }
    }

    /// The file: a header, one chunk of all rows, an end.
    pub(super) fn png(&self) -> Vec<u8> {
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        let mut header = Vec::new();
        header.extend(self.width.to_be_bytes());
        header.extend(self.height.to_be_bytes());
        // Eight bits a channel, three channels, and the only ways there are to compress and to filter.
        header.extend([8, 2, 0, 0, 0]);
        chunk(&mut file, *b"IHDR", &header);
        chunk(&mut file, *b"IDAT", &self.rows());
        chunk(&mut file, *b"IEND", &[]);
        file
    }

    /// Compressed, each row after the word that it is not filtered.
    fn rows(&self) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        let written = self
            .pixels
            .chunks_exact(self.width as usize * 3)
            .try_for_each(|row| encoder.write_all(&[0]).and_then(|()| encoder.write_all(row)));
        match written.and_then(|()| encoder.finish()) {
            Ok(rows) => rows,
            Err(e) => unreachable!("rows are written into memory: {e}"),
        }
    }
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) {
    file.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(content);
    file.extend(kind);
    file.extend(content);
    file.extend(crc.sum().to_be_bytes());
}

impl DrawingBackend for &mut Bitmap {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, colour: BackendColor) -> Drawn {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return Ok(()) };
        if x < self.width && y < self.height {
            let at = (y as usize * self.width as usize + x as usize) * 3;
            let (r, g, b) = colour.rgb;
            for (below, above) in self.pixels[at..at + 3].iter_mut().zip([r, g, b]) {
                let mixed = f64::from(*below) + (f64::from(above) - f64::from(*below)) * colour.alpha;
                *below = mixed.round() as u8;
            }
        }
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Drawn {
        let letters = i32::try_from(text.chars().count()).unwrap_or(0);
        let (width, height) = ((letters * ADVANCE - 1) * DOT, HEIGHT * DOT);
        let left = match style.anchor().h_pos {
            HPos::Left => at.0,
            HPos::Center => at.0 - width / 2,
            HPos::Right => at.0 - width,
        };
        let top = match style.anchor().v_pos {
            VPos::Top => at.1,
            VPos::Center => at.1 - height / 2,
            VPos::Bottom => at.1 - height,
        };
        for (n, letter) in (0..).zip(text.chars()) {
            for (x, y) in glyph(letter) {
                let corner = (left + (n * ADVANCE + x) * DOT, top + y * DOT);
                self.draw_rect(corner, (corner.0 + DOT - 1, corner.1 + DOT - 1), &style.color(), true)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::ZlibDecoder;
    use std::io::Read;

    #[test]
    fn a_file_holds_the_pixels() {
        let mut bitmap = Bitmap::new(3, 2);
        let colour = BackendColor { rgb: (0, 100, 255), alpha: 1.0 };
        (&mut bitmap).draw_pixel((2, 1), colour).expect("in memory");
        (&mut bitmap).draw_pixel((0, 0), BackendColor { alpha: 0.5, ..colour }).expect("in memory");
        for outside in [(3, 0), (0, 2), (-1, 0)] {
            (&mut bitmap).draw_pixel(outside, colour).expect("nothing happens");
        }
        let file = bitmap.png();
        let data = file.windows(4).position(|w| w == b"IDAT").expect("a chunk of data");
        let mut rows = Vec::new();
        ZlibDecoder::new(&file[data + 4..]).read_to_end(&mut rows).expect("zlib");
        let white = [255; 3];
        let expected: [&[u8]; 8] =
            [&[0], &[128, 178, 255], &white, &white, &[0], &white, &white, &[0, 100, 255]];
        assert_eq!(rows, expected.concat());
        // The sum of a chunk without content is the same in every PNG file.
        assert!(file.ends_with(b"\0\0\0\0IEND\xae\x42\x60\x82"));
    }
}

//! What can go wrong between an image and the relays that purify its tiles.

/// Every error of this crate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PurifyError {
    /// Image, tile and stride do not fit together.
    #[error(
        "an image of {image} pixels cannot be cut into tiles of {tile} every {stride}; correct `remote` in the purifier's card"
    )]
    BadGrid {
        /// Side of the image.
        image: usize,
        /// Side of a tile.
        tile: usize,
        /// Pixels from one tile to the next.
        stride: usize,
    },
    /// The pixels are not those of a square image of one or three channels.
    #[error("the image has {found} values and {expected} are needed; preprocess it for this model")]
    ImageLength {
        /// Values wanted.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// There is nobody to send tiles to.
    #[error("no relay is named; name at least two, or purify on this device")]
    NoRelay,
    /// One relay alone would hold the image, and the person has not agreed to that.
    #[error("a single relay would hold every tile of the image; name a second relay, or ask the person first")]
    OneRelay,
    /// The tiles would leave the device with less noise than they must have.
    #[error("noise level {t} is too low for tiles that leave the device: take {least} or more, or purify on this device")]
    TooLittleNoise {
        /// The level asked for.
        t: u16,
        /// The lowest level allowed.
        least: u16,
    },
    /// The tiles are too large for so few relays.
    #[error(
        "a relay would see {seen:.0} % of the image and at most {most:.0} % are allowed; name more relays, or cut smaller tiles"
    )]
    SeesTooMuch {
        /// Per cent of the image's area.
        seen: f64,
        /// Per cent that are allowed.
        most: f64,
    },
    /// A relay's result is not what was asked for. Its tiles go to others.
    #[error("the relay's result is refused: {reason}; its tiles go to others")]
    BadResult {
        /// What is wrong with it.
        reason: String,
    },
    /// A result for something that was not ordered, or is no longer wanted.
    #[error("nothing was ordered under number {order}, or it was given to others since; drop the result")]
    UnknownOrder {
        /// The number that was named.
        order: usize,
    },
    /// The image was asked for too early.
    #[error("{missing} tiles have not returned; send every order and hand in its result first")]
    Unfinished {
        /// Tiles that are out.
        missing: usize,
    },
    /// Tiles that do not fit into a message.
    #[error(transparent)]
    Wire(#[from] wire::WireError),
}

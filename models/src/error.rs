//! What can go wrong with images, weights, cards and packs, each said so that a person can act on it.

/// Every error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file has no bytes.
    #[error("the file is empty; choose a PNG or JPEG image")]
    EmptyFile,
    /// The bytes are neither PNG nor JPEG.
    #[error("this is {found}, not a PNG or JPEG image; export the image as PNG and choose that file")]
    NotAnImage {
        /// What the first bytes look like.
        found: &'static str,
    },
    /// The file has more bytes than are read.
    #[error("the file has {bytes} bytes and at most {limit} are read; export a smaller image")]
    FileTooLarge {
        /// Size of the file.
        bytes: usize,
        /// Largest size read.
        limit: usize,
    },
    /// The picture has more pixels than are decoded.
    #[error(
        "the picture is {width} x {height} pixels; at most 12000 a side and 64 million in all are decoded: scale it down and try again"
    )]
    PictureTooLarge {
        /// Declared width.
        width: u32,
        /// Declared height.
        height: u32,
    },
    /// The file begins as a PNG or JPEG and then cannot be decoded.
    #[error("the {format} file is damaged or incomplete ({detail}); export or copy it again")]
    DamagedImage {
        /// PNG or JPEG.
        format: &'static str,
        /// The decoder's words.
        detail: String,
    },
    /// The network's sizes do not fit together or are beyond what is run.
    #[error("the network cannot be built: {reason}; correct the architecture in the model card")]
    BadConfig {
        /// Which size, and why.
        reason: String,
    },
    /// The preprocessing of a card cannot be carried out.
    #[error("the preprocessing cannot be used: {reason}; correct it in the model card")]
    BadPreprocess {
        /// Which setting, and why.
        reason: String,
    },
    /// The input's length is not channels x size x size.
    #[error("the encoder takes {expected} values and was given {found}; preprocess the image for this model")]
    InputLength {
        /// Values wanted.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// A weights file that cannot be read.
    #[error("the weights cannot be read: {reason}; fetch the model pack again")]
    BadWeights {
        /// What was wrong.
        reason: String,
    },
    /// A tensor that the network needs is absent.
    #[error("the weights have no tensor `{name}`; use weights of the architecture in the card")]
    MissingTensor {
        /// Its timm name.
        name: String,
    },
    /// A tensor has another shape than the network.
    #[error("the tensor `{name}` has shape {found:?} and {expected:?} is needed; use weights of the architecture in the card")]
    WrongShape {
        /// Its timm name.
        name: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape wanted.
        expected: Vec<usize>,
    },
    /// A head whose numbers cannot be used.
    #[error("the head cannot be used: {reason}; fit it again with `cargo lab`")]
    BadHead {
        /// What was wrong.
        reason: String,
    },
    /// A quantiser that cannot be used.
    #[error("the CLS quantiser cannot be used: {reason}; fit it again with `cargo lab`")]
    BadQuantiser {
        /// What was wrong.
        reason: String,
    },
    /// A card that cannot be read or contradicts itself.
    #[error("the model card cannot be used: {reason}; fetch the model pack again")]
    BadCard {
        /// What was wrong.
        reason: String,
    },
    /// A card of another format version.
    #[error(
        "the model card has format {found} and this program reads format {supported}; update the program or choose another model"
    )]
    CardFormat {
        /// The card's version.
        found: u64,
        /// The version read here.
        supported: u64,
    },
    /// An image that a detector cannot examine as it was asked to.
    #[error("the image cannot be examined: {reason}; load the model again")]
    Examination {
        /// What does not fit.
        reason: String,
    },
    /// A detector was handed over for a model whose card names none.
    #[error("the model card names no detector; fetch the model card again, or leave the detector out")]
    NoDetector,
    /// An image or tile that a purifier cannot work on as it was asked to.
    #[error("the image cannot be purified: {reason}; load the model again")]
    Purification {
        /// What does not fit.
        reason: String,
    },
    /// A purifier was handed over for a model whose card names none.
    #[error("the model card names no purifier; fetch the model card again, or leave the purifier out")]
    NoPurifier,
    /// A file of the pack is not the one that the card names.
    #[error("{file} is damaged or was changed: {reason}; clear the cache and fetch the model pack again")]
    CorruptPack {
        /// Name of the file.
        file: String,
        /// Size or digest that differs.
        reason: String,
    },
    /// The device that computes gave no result.
    #[error("the graphics device failed ({reason}); use the CPU instead")]
    Device {
        /// The driver's words.
        reason: String,
    },
    /// A file of the pack cannot be read from disk.
    #[error("{path} cannot be read ({reason}); check the folder of the model pack")]
    ReadFile {
        /// Where.
        path: String,
        /// The operating system's words.
        reason: String,
    },
}

impl ModelError {
    /// A short, stable code for programs: `wrong-file`, `too-large`, `wrong-version`, `corrupt-pack` or `internal`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::EmptyFile | Self::NotAnImage { .. } | Self::DamagedImage { .. } => "wrong-file",
            Self::FileTooLarge { .. } | Self::PictureTooLarge { .. } => "too-large",
            Self::CardFormat { .. } => "wrong-version",
            Self::InputLength { .. } | Self::Examination { .. } | Self::Purification { .. } | Self::Device { .. } => "internal",
            _ => "corrupt-pack",
        }
    }
}

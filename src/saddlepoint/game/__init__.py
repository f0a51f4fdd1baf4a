"""The game and its contracts: what losses, tricks, networks and tasks are, and the step that plays them."""

from saddlepoint.exports import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {
    "adversarial": "AdversarialModule",
    "batches": "ImageBatch PairedBatch PartlyLabelledBatch PointBatch TranslationBatch UnpairedBatch VoxelBatch",
    "encoding": "AdversarialAutoencoderModule BiGANModule EncodingModule",
    "infogan": "InfoGANModule",
    "lapgan": "LAPGANModule",
    "latents": "Latents",
    "linearisation": "GameField",
    "loss": "AdversarialLoss ContentLoss SeparableLoss",
    "networks": "Discriminator Generator Encoder HasBoundary HasClassLogits HasCodes HasFeatures HasLevels "
                "IsAutoencoder",
    "random_streams": "RandomStreams",
    "recipe": "Problem Recipe",
    "schedule": "Constant Cosine Exponential Linear Schedule as_schedule",
    "semi_supervised": "SemiSupervisedModule mean_feature_distance",
    "step": "Step Targets",
    "structured_latents": "RingOfGaussians StructuredLatents",
    "super_resolution": "SuperResolutionModule",
    "synthesis": "SynthesisModule",
    "translation": "CycleGANModule Pix2PixModule TranslationModule",
    "trick": "Trick",
    "turns": "Turns",
})

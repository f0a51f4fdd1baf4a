"""Generators and discriminators, one family in each file."""

from saddlepoint.exports import lazy

__getattr__, __dir__, __all__ = lazy(__name__, {
    "autoencoder_discriminator": "DCGANAutoencoderDiscriminator",
    "biggan": "BigGANDiscriminator BigGANGenerator",
    "conditional_dcgan": "ClassifyingDCGANDiscriminator ConditionalDCGANGenerator",
    "conditional_mlp": "ConditionalMLPDiscriminator ConditionalMLPGenerator",
    "conditional_resnet": "ClassifyingResNetDiscriminator ConditionalResNetGenerator ProjectionResNetDiscriminator",
    "dcgan": "DCGANDiscriminator DCGANGenerator",
    "encoders": "DCGANEncoder MLPEncoder",
    "infogan": "InfoGANDiscriminator InfoGANGenerator",
    "lapgan": "LaplacianDiscriminator LaplacianGenerator",
    "laplacian_pyramid": "LaplacianPyramid",
    "latent_discriminators": "DCGANPairDiscriminator LatentDiscriminator MLPPairDiscriminator",
    "lecture": "ConditionalLectureDiscriminator ConditionalLectureGenerator LectureDiscriminator LectureGenerator",
    "mlp": "MLPDiscriminator MLPGenerator",
    "patch_discriminator": "ConditionalPatchDiscriminator PatchDiscriminator",
    "points": "DiracDiscriminator DiracGenerator PointDiscriminator PointGenerator",
    "r3gan": "ConditionalR3GANDiscriminator ConditionalR3GANGenerator R3GANDiscriminator R3GANGenerator",
    "resnet": "ResNetDiscriminator ResNetGenerator",
    "resnet_translator": "ResNetTranslator",
    "rrdb": "RRDBNet",
    "stacked_digits": "StackedDigitsDiscriminator StackedDigitsGenerator",
    "semi_supervised": "MLPClassifierDiscriminator",
    "srresnet": "MSRResNet SRResNet",
    "srvgg": "SRVGGNetCompact",
    "stylegan2": "ConditionalStyleGAN2Discriminator ConditionalStyleGAN2Generator StyleGAN2Discriminator "
                 "StyleGAN2Generator",
    "unet": "UNet",
    "upscaling_discriminators": "SRGANDiscriminator UNetDiscriminator VGGStyleDiscriminator",
    "voxels": "VoxelDiscriminator VoxelGenerator",
})

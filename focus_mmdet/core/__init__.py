"""The method's mathematics in plain torch: no OpenMMLab, no Hugging Face."""

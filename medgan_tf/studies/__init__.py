"""Studies that decide whether synthetic images may be used: augmentation, privacy and blinded reader studies.

augmentation: does adding synthetic images help a classifier? `augmentation.study`, with images of
`synthetic_images.from_model`. privacy: does the generator reproduce or reveal its training images? `privacy.audit`, and
`privacy_report` for its results in words. readers: can people tell synthetic from real images? See `readers`.
"""

"""A film instead of a photo: the mouth of somebody who was filmed says what another voice says."""

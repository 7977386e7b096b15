"""What the black-box tests share: servers, services and clients."""

"""Public keys as people have them, and texts whose every character must come back."""

BASE64 = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
PEM = f"-----BEGIN PUBLIC KEY-----\n{BASE64}\n-----END PUBLIC KEY-----\n"
OPENPGP = """-----BEGIN PGP PUBLIC KEY BLOCK-----
Comment: made up for a test

mDMEaSrFARYJKwYBBAHaRw8BAQdAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4
rXAxZuG0BWFsaWNliJMEExYKADsWIQ==
=njUN
-----END PGP PUBLIC KEY BLOCK-----
"""
OPENSSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBm/RAlphM3+hUG6wWfcO5bIUIaqMLa2ywxcOK1wMWbh alice@laptop\n"
JWK = '{\n\t"kty": "OKP",\n\t"crv": "X25519",\n\t"x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"\n}'
LONGEST = "k" * 16_384

KEYS = {
    "base64": BASE64,
    "PEM": PEM,
    "PEM of Windows": PEM.replace("\n", "\r\n"),
    "PEM of an old Mac": PEM.replace("\n", "\r"),
    "OpenPGP armour": OPENPGP,
    "OpenSSH": OPENSSH,
    "indented JWK": JWK,
    "JWK": '{"kty":"OKP","crv":"X25519","x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"}',
    "one character": "x",
    "16,384 bytes": LONGEST,
    "16,384 bytes of emoji": "🙂" * 4_096,
    "white space at the ends": "  key\t ",
    "nothing but white space": " ",
    "nothing but a line end": "\n",
    "line ends at the ends": "\r\n\n\rkey\n\r\r\n",
    "every control character but one": "".join(map(chr, [*range(1, 0x20), *range(0x7F, 0xA0)])),
    "a byte order mark": "\ufeffkey\ufeff",
    "other line ends": "a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g",
    "unicode": "clé é é ключ 鍵 \u202e",
    "noncharacters": "\ufffe\uffff\U0010ffff",
    "markup": "<script>'\"; DROP TABLE pkd_publickey; --</script></pre>&#13;&amp;",
    "null": "null",
    "a formula": "=1+1\n",
    "an apostrophe": "'-----BEGIN",
    "commas, semicolons, quotation marks": 'a,b;c"d""e"\n"',
}

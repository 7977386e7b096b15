/**
 * What people are told of the public record, in plain English.
 */

export const RECORD_SENTENCES = {
  checked: "The server's public record agrees with what it says of names.",
  audited: "The server's public record agrees with what it says of names, and an auditor sees the same one.",
  replaced:
    "The public record was replaced. The server may have lost it; or somebody wants nobody to see what was in it. " +
    "If you go on, the people whom you know stay, and the server has to be believed once about everybody else.",
  split:
    "The server shows you another public record than it shows the auditor. It lies to one of you: do not rely on what it says of names.",
  unaudited: "Nobody has compared the public record with the auditor's for two days, as the auditor cannot be reached.",
  keyless: "The key of the server's public record could not be fetched. Try again later.",
};

/** What an S3 server or the way to it says, as errors of the port. By status and code, never by the words of a message. */
import { RainbowError } from "../../core/index.ts";

const FULL_CODES: readonly string[] = ["QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "EntityTooLarge"];
const GONE_CODES: readonly string[] = ["NoSuchKey", "NoSuchVersion", "NotFound", "PreconditionFailed", "MethodNotAllowed"];
/** Of the client library: it found no credentials, or could not read them. */
const CREDENTIAL_ERRORS: readonly string[] = ["CredentialsProviderError", "TokenProviderError"];
const NETWORK_CODES: readonly string[] = [
  "TimeoutError",
  "AbortError",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ENOTFOUND",
  "EAI_AGAIN",
];
/** Of OpenSSL, as Node names them: the certificate is there, and nobody who is trusted signed it. */
const DISTRUST_CODES: readonly string[] = [
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
];
const LATER_CODES: readonly string[] = ["InternalError", "SlowDown", "ServiceUnavailable", "OperationAborted", "RequestTimeout"];
const WORDS_MAX = 500;
const LATER_STATUSES: readonly number[] = [408, 429];

/** `doing`: what was tried, "storing s3://bucket/key". */
export function failureOf(error: unknown, doing: string): unknown {
  if (!(error instanceof Error) || error instanceof RainbowError) return error;
  const status = statusOf(error);
  const code = codeOf(error);
  const facts = { doing, status, code };
  const message = shownOf(error.message);
  const said = message === "" || message === code ? code : `${code}: ${message}`;
  if (CREDENTIAL_ERRORS.includes(code)) {
    const hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (of a running 'up', in its own environment), or AWS_PROFILE with ~/.aws/credentials";
    return new RainbowError("OBJECTS_REFUSED", `${doing} failed: there are no credentials (${message}); ${hint}`, facts, error);
  }
  if (code === "ERR_INVALID_URL") {
    const hint = "--endpoint-url, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL or the profile has it";
    return new RainbowError("OBJECTS_REFUSED", `${doing} failed: the server's address is no URL (http://… or https://…); ${hint}`, facts, error);
  }
  if (DISTRUST_CODES.includes(code)) {
    const hint = "AWS_CA_BUNDLE or NODE_EXTRA_CA_CERTS names a file of the certificates that sign it";
    return new RainbowError("OBJECTS_REFUSED", `${doing} failed: nobody who is trusted signed the server's certificate (${code}); ${hint}`, facts, error);
  }
  if (code === "NoSuchBucket") return new RainbowError("OBJECTS_REFUSED", `${doing} failed: the bucket does not exist`, facts, error);
  if (FULL_CODES.includes(code) || status === 507)
    return new RainbowError("DISK_FULL", `${doing} failed: the object store has no room (${said})`, facts, error);
  if (GONE_CODES.includes(code) || status === 404 || status === 412) {
    return new RainbowError("OBJECT_CHANGED", `${doing} failed: it is not there, or another one (${said})`, facts, error);
  }
  if (status === undefined && !isOfNetwork(error)) return error;
  if (status === undefined || status >= 500 || LATER_STATUSES.includes(status) || status < 300) {
    return new RainbowError("OBJECTS_UNREACHABLE", `${doing} failed: ${said}`, facts, error);
  }
  if (status === 401 || status === 403) {
    const hint = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or ~/.aws/credentials have them";
    return new RainbowError("OBJECTS_REFUSED", `${doing} was refused: the server does not take these keys for it (${status} ${said}); ${hint}`, facts, error);
  }
  return new RainbowError("OBJECTS_REFUSED", `${doing} was refused: ${said}`, facts, error);
}

/** Words of others, for a line of a terminal or a log. */
function shownOf(message: string): string {
  return message
    .replace(/[\x00-\x20\x7f-\x9f]+/g, " ")
    .trim()
    .slice(0, WORDS_MAX);
}

/** Without an answer: what Node's sockets and the client's own time limits throw. Anything else is a bug. */
function isOfNetwork(error: Error): boolean {
  return "syscall" in error || "$metadata" in error || NETWORK_CODES.includes(codeOf(error));
}

/** The HTTP status; undefined where no answer came. */
export function statusOf(error: unknown): number | undefined {
  const metadata = error instanceof Error && "$metadata" in error ? (error.$metadata as { httpStatusCode?: number } | undefined) : undefined;
  return metadata?.httpStatusCode;
}

/** Of a failure that is told within an answer. */
export function statusOfCode(code: string): number {
  return LATER_CODES.includes(code) ? 503 : code === "AccessDenied" ? 403 : 400;
}

/** S3's code ("NoSuchUpload"), or the system's ("ECONNREFUSED"). */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const coded = error as { Code?: unknown; code?: unknown };
  const isGeneric = ["Error", "TypeError", "UnknownError", ""].includes(error.name);
  const code = isGeneric ? (coded.Code ?? coded.code) : error.name;
  return typeof code === "string" ? code : error.name;
}

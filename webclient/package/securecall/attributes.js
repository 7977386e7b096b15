/** The lines that clients with this library add to descriptions. */

export const IDENTITY_ATTRIBUTE = "a=x-securecall-identity:";
export const NEGOTIATES_ATTRIBUTE = "a=x-securecall:negotiates";
export const RESUMES_ATTRIBUTE = "a=x-securecall:resumes";
export const DATA_ATTRIBUTE = "a=x-securecall:data";

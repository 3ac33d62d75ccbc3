//! CSR attributes (RFC 7030 section 4.5.2, RFC 9908): what a server wants in a request, written from a profile and read into
//! [`Wishes`](crate::enroll::Wishes).

/**
 * The reference interpreter: graphs run operator by operator in double precision, for tests, checks
 * and operators that are defined by a body. It is plain and exact, not fast; models are not served
 * with it.
 */
package dev.manticore.ir.interpret;

/**
 * Random numbers that are the same for a seed on every JDK, for parameters, texts and samples. They
 * are not for secrets.
 */
package dev.manticore.ir.random;

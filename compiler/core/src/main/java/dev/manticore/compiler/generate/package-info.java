/** Text generation with artifacts, checkpoints and exported models. */
package dev.manticore.compiler.generate;

/** Components: language models found in graphs and cut along their residual stream. */
package dev.manticore.compiler.component;

/** What tests of all modules share, fixtures and how they are found. No main code depends on it. */
package dev.manticore.testdata;
